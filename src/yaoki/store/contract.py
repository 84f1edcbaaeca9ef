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


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A generated key without its secret, which is stored nowhere.

    Attributes:
        name: Never given to another key, also after this one is revoked.
        owner: Whose requests they are; several keys may have the same one.
        digest: SHA-256 of the secret, in hexadecimal.
        hint: The secret's first and last characters, by which a person recognises it.
        models: The names that it may use; None: all.
        requests_per_minute: At most so many in any 60 seconds; None: no limit, here and below.
        tokens_per_day: Of prompts and answers in a day of UTC.
        usd_per_day: What they may cost at list prices, in US dollars.
    """

    name: str
    owner: str
    digest: str
    hint: str
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    models: tuple[str, ...] | None = None
    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    usd_per_day: float | None = None


@dataclass(slots=True, kw_only=True)
class Spending:
    """What was spent in some time.

    Attributes:
        estimated_tokens: How many of the tokens are estimates of ours, since an answer was cut before it was counted.
        cost_usd: At list prices, where one is known, in US dollars.
        unpriced: Requests to models whose price nobody knows.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    estimated_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        """Of prompts and answers together."""
        return self.input_tokens + self.output_tokens

    def add(self, other: "Spending") -> None:
        """Count what another one holds, too."""
        self.requests += other.requests
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.estimated_tokens += other.estimated_tokens
        self.cost_usd += other.cost_usd
        self.unpriced += other.unpriced
