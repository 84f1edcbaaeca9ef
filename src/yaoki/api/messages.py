"""Routes of a conversation: send, cancel, recover, history."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from yaoki.api.event_ids import EventId
from yaoki.api.event_stream import EventStream
from yaoki.api.feed import Feed
from yaoki.api.frames import Projection
from yaoki.api.shapes import Cancelling, NewMessage, accepted_json, history_json
from yaoki.api.wiring import OwnerIn, ServicesIn, SessionIdIn
from yaoki.errors import SecurityInputRejectedError
from yaoki.sessions.transcript import Transcript

router = APIRouter(prefix="/ai/sessions/{session_id}", tags=["messages"])


@router.post("/messages", status_code=202)
async def send(
    request: Request, services: ServicesIn, owner: OwnerIn, session_id: SessionIdIn, body: NewMessage
) -> Response:
    """Accept a message; with `Accept: text/event-stream` the answer is the turn's events, from its beginning.

    The message is on disk when this answers. Its turn runs whether or not anyone listens.
    """
    limit = services.policy.message_chars
    if len(body.content) > limit:
        raise SecurityInputRejectedError(
            f"The message has {len(body.content)} characters; {limit} is the limit.",
            field="content",
            limit=limit,
            remedy="Send less at once.",
        )
    orchestrator = services.orchestrator
    accepted = await orchestrator.send(owner, session_id, body.content, message_id=body.id)
    if "text/event-stream" in request.headers.get("accept", "").lower():
        place = EventId(orchestrator.log_id, accepted.seq, 0)
        feed = Feed(services, owner, Projection(session_id, Transcript()), place, turn=accepted.turn_id)
        return EventStream(feed.chunks(), services.policy.send_timeout_s)
    return JSONResponse(accepted_json(orchestrator.log_id, accepted), 200 if accepted.duplicate else 202)


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
