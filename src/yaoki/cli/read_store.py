"""Reading the store while a server may be writing it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from yaoki.errors import SessionConflictError, SessionNotFoundError
from yaoki.store.contract import Session
from yaoki.store.store import Store, open_store

if TYPE_CHECKING:
    from yaoki.settings import Settings

OWNER = "local"
"""Whose sessions these are; without authentication there is one owner."""

_PAGE = 200


@asynccontextmanager
async def reader(settings: "Settings") -> AsyncGenerator[Store, None]:
    """The store, for reading only.

    Raises:
        SessionNotFoundError: There is no database yet.
        ConfigurationSettingError: It cannot be read.
    """
    if not settings.store.path.exists():
        raise SessionNotFoundError(f"There is no database at {settings.store.path} yet: nobody has talked to Yaoki.")
    store = await open_store(settings.store.path, "reader")
    try:
        yield store
    finally:
        await store.aclose()


async def session_of(store: Store, beginning: str) -> Session:
    """The session whose id begins so.

    Raises:
        SessionNotFoundError: None does.
        SessionConflictError: Several do.
    """
    found: list[Session] = []
    last: str | None = None
    while page := await store.sessions.newest(OWNER, _PAGE, last):
        found += [session for session in page if session.id.startswith(beginning)]
        last = page[-1].id
    exact = [session for session in found if session.id == beginning]
    if exact or len(found) == 1:
        return (exact or found)[0]
    if found:
        raise SessionConflictError(f"{len(found)} sessions begin with {beginning!r}; give more of the id.")
    raise SessionNotFoundError(f"There is no session {beginning!r}; see: yaoki sessions list")
