"""Routes of a conversation: send, cancel, recover, history."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from yaoki.api.event_ids import EventId
from yaoki.api.event_stream import EventStream
from yaoki.api.feed import Feed
from yaoki.api.frames import Projection
from yaoki.api.intake import accept
from yaoki.api.services import OwnerIn, ServicesIn, SessionIdIn
from yaoki.api.shapes import Cancelling, NewMessage, accepted_json, history_json
from yaoki.api.tellings import RunTelling
from yaoki.sessions.transcript import Transcript

router = APIRouter(prefix="/ai/sessions/{session_id}", tags=["messages"])


@router.post("/messages", status_code=202)
async def send(
    request: Request, services: ServicesIn, owner: OwnerIn, session_id: SessionIdIn, body: NewMessage
) -> Response:
    """Accept a message; with `Accept: text/event-stream` the answer is the turn's events, from its beginning.

    The message is on disk when this answers. Its turn runs whether or not anyone listens.
    """
    if "text/event-stream" not in request.headers.get("accept", "").lower():
        accepted = await accept(services, owner, session_id, body)
        answer = accepted_json(services.orchestrator.log_id, accepted)
        return JSONResponse(answer, 200 if accepted.duplicate else 202)

    async def opening() -> Feed:
        accepted = await accept(services, owner, session_id, body)
        place = EventId(services.orchestrator.log_id, accepted.seq, 0)
        return Feed(services, owner, RunTelling(Projection(session_id, Transcript()), accepted.turn_id, place))

    return EventStream(services, owner, opening, one_run=True)


@router.post("/cancel", status_code=202)
async def cancel(
    services: ServicesIn, owner: OwnerIn, session_id: SessionIdIn, body: Cancelling | None = None
) -> Response:
    """Stop the running turn, or the one named; those asked to stop are named in the answer."""
    ids = await services.orchestrator.cancel(owner, session_id, turn_id=body.turn_id if body else None)
    return JSONResponse({"cancelled": ids}, 202)


@router.post("/recover", status_code=202)
async def recover(services: ServicesIn, owner: OwnerIn, session_id: SessionIdIn) -> Response:
    """Take a turn that failed or was parked up again, as a new turn."""
    accepted = await services.orchestrator.recover_session(owner, session_id)
    return JSONResponse(accepted_json(services.orchestrator.log_id, accepted), 202)


@router.get("/history")
async def history(services: ServicesIn, owner: OwnerIn, session_id: SessionIdIn) -> Response:
    """The messages so far, what happened to them, and the event id to follow from."""
    transcript = await services.orchestrator.transcript(owner, session_id)
    return JSONResponse(history_json(session_id, services.orchestrator.log_id, transcript))
