"""The rows that the store gives out."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A conversation. `last_seq` is the seq of the newest event in its log; 0 when there is none."""

    id: str
    owner: str
    session_type: str
    agent: str
    title: str
    status: Literal["open", "closed"]
    created_at: datetime
    last_seq: int
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message and its answer. `fence` goes up with every claim and never leaves the server."""

    id: str
    session_id: str
    message_id: str
    content: str
    agent: str
    status: Literal["waiting", "running", "ended"]
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A durable acknowledgement. `duplicate`: the same message had been accepted before."""

    turn_id: str
    seq: int
    duplicate: bool
