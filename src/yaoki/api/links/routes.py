"""The routes of links: a ticket, and the WebSocket of a session.

A handshake by a foreign name or from a foreign page is refused with 403. Everything else that is wrong with a link is
said on it, since a page cannot see why a handshake failed: an error frame, and a close code.
"""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from yaoki.api.event_ids import parse_event_id
from yaoki.api.feed import open_feed
from yaoki.api.links import frames as link_frames
from yaoki.api.links.link import INTERNAL, LATER, POLICY, Link
from yaoki.api.problems import problem_document
from yaoki.api.services import OwnerIn, Services, ServicesIn, checked_session_id, owner_of, services_of
from yaoki.errors import AIOrchestrationError, Fault

router = APIRouter(prefix="/ai", tags=["links"])


@router.post("/tickets", status_code=201)
async def ticket(services: ServicesIn, owner: OwnerIn) -> Response:
    """A ticket for one link, for clients that cannot send headers with a WebSocket."""
    issued = services.tickets.issue(owner)
    return JSONResponse({"ticket": issued, "expires_in_s": services.tickets.lifetime_s}, 201)


async def link(websocket: WebSocket) -> None:
    """The session's events as `{id, event}`, from `?after=` or from the beginning; and the client's frames."""
    services = await services_of(websocket)
    websocket.scope["route"] = ROUTE
    await websocket.accept()
    try:
        await _serve(services, websocket)
    except AIOrchestrationError as error:
        await _refuse(websocket, error)
    except WebSocketDisconnect:
        pass  # before it was served


async def _serve(services: Services, websocket: WebSocket) -> None:
    owner = await _owner(services, websocket)
    session_id = await checked_session_id(websocket.path_params["session_id"])
    after = websocket.query_params.get("after")
    place = parse_event_id(after, "after") if after else None
    with services.admission.stream("websocket", owner):
        with services.admission.request():
            feed = await open_feed(services, owner, session_id, place)
        await Link(services, owner, session_id, websocket).serve(feed)


async def _owner(services: Services, websocket: WebSocket) -> str:
    """Whose link it is: a ticket says so, else the request does."""
    given = websocket.query_params.get("ticket")
    return await owner_of(websocket) if given is None else services.tickets.redeem(given)


async def _refuse(websocket: WebSocket, error: AIOrchestrationError) -> None:
    code = LATER if error.retryable else POLICY if error.fault is Fault.CALLER else INTERNAL
    await websocket.send_text(link_frames.error(problem_document(error, websocket.scope)))
    if code == LATER:
        await websocket.send_text(link_frames.come_back(error))
    await websocket.close(code)


ROUTE = WebSocketRoute("/ai/sessions/{session_id}/ws", link)
router.routes.append(ROUTE)
