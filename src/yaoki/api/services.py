"""What routes work with: the application's services and the owner of the request."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from yaoki.api.admission import Admission
from yaoki.api.policy import ApiPolicy
from yaoki.api.tickets import Tickets
from yaoki.errors import SessionNotFoundError
from yaoki.orchestrator import Orchestrator
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

_ID_CHARS = 128


class Closing:
    """Whether the server stops. Setting it interrupts everybody who waits inside `interruptible`."""

    def __init__(self) -> None:
        self._set = False
        self._waiting: set[asyncio.Timeout] = set()

    def is_set(self) -> bool:
        """Whether the server stops."""
        return self._set

    def set(self) -> None:
        """Say that it stops; more than once does no harm."""
        self._set = True
        for waiting in self._waiting:
            waiting.reschedule(0.0)

    @contextmanager
    def interruptible(self, waiting: asyncio.Timeout) -> Generator[None]:
        """Let `waiting`, a timeout that is entered, run out as soon as the server stops."""
        self._waiting.add(waiting)
        try:
            yield
        finally:
            self._waiting.discard(waiting)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the routes work with.

    Attributes:
        metrics: Gives the exposition and its content type.
        closing: Set when the server stops: every stream says so and ends.
        admission: Who may come in.
        tickets: For links of clients that cannot send headers.
    """

    orchestrator: Orchestrator
    policy: ApiPolicy
    metrics: Callable[[], tuple[bytes, str]]
    rng: Random
    admission: Admission
    tickets: Tickets
    clock: Clock = SYSTEM_CLOCK
    closing: Closing = field(default_factory=Closing)


async def services_of(connection: HTTPConnection) -> Services:
    """The application's services."""
    return connection.app.state.services


async def owner_of(_connection: HTTPConnection) -> str:
    """Whose request it is. Without authentication everybody who reaches the server is the same owner."""
    return "local"


async def checked_session_id(session_id: str) -> str:
    """The path's session id; one that no session can have is not looked for.

    Raises:
        SessionNotFoundError: It cannot be the id of a session.
    """
    if len(session_id) > _ID_CHARS or not session_id.isprintable():
        raise SessionNotFoundError("There is no such session.")
    return session_id


ServicesIn = Annotated[Services, Depends(services_of)]
OwnerIn = Annotated[str, Depends(owner_of)]
SessionIdIn = Annotated[str, Depends(checked_session_id)]
