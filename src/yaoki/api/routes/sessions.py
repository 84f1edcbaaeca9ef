"""Routes of sessions: create, list, show, rename, close, delete."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from yaoki.api.services import OwnerIn, ServicesIn, SessionIdIn
from yaoki.api.shapes import Id, NewSession, Renaming, session_json

router = APIRouter(prefix="/ai/sessions", tags=["sessions"])


@router.post("", status_code=201)
async def create(services: ServicesIn, owner: OwnerIn, body: NewSession | None = None) -> Response:
    """Create a session."""
    wanted = body or NewSession()
    session = await services.orchestrator.create_session(
        owner, wanted.session_type, agent=wanted.agent, metadata=wanted.metadata
    )
    return JSONResponse(session_json(session), 201, {"location": f"/ai/sessions/{session.id}"})


@router.get("")
async def newest(
    services: ServicesIn,
    owner: OwnerIn,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Id | None = None,
) -> Response:
    """The owner's sessions, newest activity first; `before` is the id of the last one already seen."""
    sessions = await services.orchestrator.sessions(owner, limit=limit, before=before)
    return JSONResponse({"sessions": [session_json(session) for session in sessions]})


@router.get("/{session_id}")
async def show(services: ServicesIn, owner: OwnerIn, session_id: SessionIdIn) -> Response:
    """One session."""
    return JSONResponse(session_json(await services.orchestrator.session(owner, session_id)))


@router.patch("/{session_id}")
async def rename(services: ServicesIn, owner: OwnerIn, session_id: SessionIdIn, body: Renaming) -> Response:
    """Give a session another title."""
    return JSONResponse(session_json(await services.orchestrator.rename_session(owner, session_id, body.title)))


@router.post("/{session_id}/close")
async def close(services: ServicesIn, owner: OwnerIn, session_id: SessionIdIn) -> Response:
    """Take no more messages in a session; those accepted are still answered."""
    return JSONResponse(session_json(await services.orchestrator.close_session(owner, session_id)))


@router.delete("/{session_id}", status_code=204)
async def delete(services: ServicesIn, owner: OwnerIn, session_id: SessionIdIn) -> Response:
    """Erase a session; whatever runs in it stops."""
    await services.orchestrator.delete_session(owner, session_id)
    return Response(status_code=204)
