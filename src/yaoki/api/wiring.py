"""What routes are given: the application's services and the owner of the request."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Annotated

from fastapi import Depends, Request

from yaoki.api.policy import ApiPolicy
from yaoki.errors import SessionNotFoundError
from yaoki.orchestrator import Orchestrator
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

_ID_CHARS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the routes work with.

    Attributes:
        metrics: Gives the exposition and its content type.
        closing: Set when the server stops: every stream says so and ends.
        streams: How many clients hold an event stream, by channel.
    """

    orchestrator: Orchestrator
    policy: ApiPolicy
    metrics: Callable[[], tuple[bytes, str]]
    rng: Random
    clock: Clock = SYSTEM_CLOCK
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    streams: Counter[str] = field(default_factory=Counter[str])


async def _services(request: Request) -> Services:
    return request.app.state.services


async def _owner() -> str:
    """Whose request it is. Without authentication everybody who reaches the server is the same owner."""
    return "local"


async def _session_id(session_id: str) -> str:
    """The path's session id; one that no session can have is not looked for.

    Raises:
        SessionNotFoundError: It cannot be the id of a session.
    """
    if len(session_id) > _ID_CHARS or not session_id.isprintable():
        raise SessionNotFoundError("There is no such session.")
    return session_id


ServicesIn = Annotated[Services, Depends(_services)]
OwnerIn = Annotated[str, Depends(_owner)]
SessionIdIn = Annotated[str, Depends(_session_id)]
