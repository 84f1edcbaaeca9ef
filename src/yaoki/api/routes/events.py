"""The route of a session's events."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from yaoki.api.event_ids import parse_event_id
from yaoki.api.event_stream import EventStream
from yaoki.api.feed import open_feed
from yaoki.api.services import OwnerIn, ServicesIn, SessionIdIn

router = APIRouter(prefix="/ai/sessions/{session_id}", tags=["events"])


@router.get("/events")
async def events(
    services: ServicesIn,
    owner: OwnerIn,
    session_id: SessionIdIn,
    after: str | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """The session's events as AG-UI 1.0 frames, from the given event id (the header wins) or from the beginning."""
    place = None
    if last_event_id:
        place = parse_event_id(last_event_id, "Last-Event-ID")
    elif after:
        place = parse_event_id(after, "after")
    return EventStream(services, owner, partial(open_feed, services, owner, session_id, place))
