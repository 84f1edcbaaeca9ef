"""AG-UI 1.0 in one route: POST starts a run and tells it, GET tells a run again.

A run is never started twice:

| the request names | it gets |
|---|---|
| a known run, and a place in it | what follows that place, and nothing else |
| a known run | all of it; a snapshot after RUN_STARTED makes up for what the client may have of it |
| a known message under a new run | the run that answers it; if that came to nothing, it is taken up again as this one |
| a place, but neither a known run nor a known message | 404 |
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from yaoki.api.agui.run_input import RunInput
from yaoki.api.agui.runs import Runs
from yaoki.api.event_ids import EventId, parse_event_id
from yaoki.api.event_stream import EventStream
from yaoki.api.feed import Feed
from yaoki.api.services import OwnerIn, Services, ServicesIn
from yaoki.api.shapes import Id

_BEGINNING = ("", "-1")

router = APIRouter(prefix="/agui", tags=["ag-ui"])


@router.post("")
async def run(
    services: ServicesIn, owner: OwnerIn, body: RunInput, last_event_id: Annotated[str | None, Header()] = None
) -> Response:
    """Start a run, or take up one that is known; the answer is its events. It goes on whether or not anyone listens."""
    seen = parse_event_id(last_event_id, "Last-Event-ID") if last_event_id else None
    runs = Runs(services, owner)

    async def opening() -> Feed:
        return await runs.feed(await runs.start(body, resuming=seen is not None), seen)

    return _told(services, owner, await runs.session_of(body.thread_id), opening)


@router.get("")
async def again(
    services: ServicesIn,
    owner: OwnerIn,
    run_id: Annotated[Id, Query(alias="runId")],
    offset: str = "",
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Tell a run from an event id (the header wins), or from its beginning (`offset=-1`, or none)."""
    seen: EventId | None = None
    if last_event_id:
        seen = parse_event_id(last_event_id, "Last-Event-ID")
    elif offset not in _BEGINNING:
        seen = parse_event_id(offset, "offset")
    runs = Runs(services, owner)
    found = await runs.find(run_id)

    async def opening() -> Feed:
        return await runs.feed(found, seen)

    return _told(services, owner, found.session_id, opening)


def _told(services: Services, owner: str, session_id: str, opening: Callable[[], Awaitable[Feed]]) -> Response:
    """The stream of a run, which names the session where it can be cancelled and its history read."""
    headers = {"content-location": f"/ai/sessions/{session_id}"}
    return EventStream(services, owner, opening, one_run=True, headers=headers)
