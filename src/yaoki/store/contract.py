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
    updated_at: datetime
    last_seq: int
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message and its answer.

    Attributes:
        fence: Goes up with every claim, never leaves the server; 0 before the first claim.
        cancel_requested: Somebody asked to stop it; it ends as cancelled, also after a crash.
    """

    id: str
    session_id: str
    message_id: str
    content: str
    agent: str
    status: Literal["waiting", "running", "ended"]
    fence: int
    cancel_requested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A durable acknowledgement. `seq` is that of the turn's first event; `duplicate`: it had been accepted before."""

    turn_id: str
    seq: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class EarlierMessages:
    """What is known of the turns before one.

    Attributes:
        turns: The model messages of each turn that ended with an answer, oldest turn first.
        forgotten: How many older turns did not fit.
        damaged: How many turns could not be read and were left out.
    """

    turns: list[list[str]]
    forgotten: int
    damaged: int
