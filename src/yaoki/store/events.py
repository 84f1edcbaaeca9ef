"""The domain events that a session's log consists of.

They never leave the server as they are: `api` projects them onto the wire. Fields are plain JSON values. Adding a field
with a default keeps old logs readable; renaming or removing one needs a migration. `spent` is what the turn had spent
by then, by name: no client sees it, but who takes the turn up again goes on with what is left.
"""

from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, get_args

Outcome = Literal["completed", "degraded", "cached", "output_limit", "filtered", "cancelled", "failed", "parked"]
Phase = Literal["before_first_token", "mid_stream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance:
    """What a client can do about the state it is in.

    Attributes:
        action: wait, reconnect, resend, reload, switch_to_text, rejoin_voice or approve.
        retry_after_s: Seconds until the action makes sense.
        resume_from: The event id to resume from.
    """

    state: str
    reason: str
    action: str
    retry_after_s: float | None = None
    resume_from: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAccepted:
    """A user's message was written and its turn is waiting."""

    turn: str
    message: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted:
    """A runner claimed the turn for the first time."""

    turn: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnResumed:
    """A runner claimed the turn again, after the process that ran it had gone."""

    turn: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """The next piece of the answer `message`, written by `model`.

    Attributes:
        text: May be empty, where only more white space came after what is shown.
        held: What had come after it by then and was not shown: no client sees it, but who goes on with the answer after
            a crash has to know how it is joined.
    """

    turn: str
    message: str
    text: str
    model: str
    held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedOver:
    """The chain left `from_model` for `to_model` because of `kind`; `at_char` counts the text shown so far."""

    turn: str
    from_model: str
    to_model: str
    kind: str
    phase: Phase
    at_char: int
    spent: dict[str, int] = field(default_factory=dict[str, int], compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Continued:
    """A half answer goes on. `rolled_back_chars` were received but never shown."""

    turn: str
    model: str
    mode: str
    rolled_back_chars: int
    spent: dict[str, int] = field(default_factory=dict[str, int], compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """The text of `message` shown so far is void; the answer begins again."""

    turn: str
    message: str
    reason: str
    spent: dict[str, int] = field(default_factory=dict[str, int], compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """A model's whole response calls tools and is stored, so that they may run; no client sees it."""

    turn: str
    spent: dict[str, int] = field(default_factory=dict[str, int], compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredFromCache:
    """The answer is an earlier one, `age_s` seconds old."""

    turn: str
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded:
    """What follows is a statement of ours, not a model's answer."""

    turn: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryTaken:
    """Something was healed in a way that the person may notice; `reason` is one plain sentence."""

    turn: str
    strategy: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidanceGiven:
    """Somebody was told what to do next."""

    turn: str
    guidance: Guidance


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    """The one terminal event of a turn.

    Attributes:
        kind: The error's kind where the outcome is not a success.
        usage: Spending by name: `input_tokens`, `output_tokens`, `requests`; where there is any, `estimated_tokens` of
            both, `cost_microusd` (millionths of a US dollar, at list prices) and `unpriced_requests`.
        message: One plain sentence for a person, where there is something to say.
    """

    turn: str
    outcome: Outcome
    kind: str | None = None
    usage: dict[str, int] = field(default_factory=dict[str, int])
    message: str | None = None


DomainEvent = (
    TurnAccepted
    | TurnStarted
    | TurnResumed
    | TextDelta
    | FailedOver
    | Continued
    | Reset
    | Stepped
    | AnsweredFromCache
    | Degraded
    | RecoveryTaken
    | GuidanceGiven
    | TurnEnded
)
_TYPES: dict[str, type[Any]] = {cls.__name__: cls for cls in get_args(DomainEvent)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An event with its place in the session's log; `seq` starts at 1 and has no gaps."""

    seq: int
    at: datetime
    event: DomainEvent


def encode(event: DomainEvent) -> tuple[str, dict[str, Any]]:
    """The event's type name and its fields as plain JSON values."""
    return type(event).__name__, asdict(event)


def decode(name: str, payload: dict[str, Any]) -> DomainEvent:
    """The event of `encode`, ignoring fields that this version does not know.

    Raises:
        KeyError: This version knows no event of that name.
    """
    cls = _TYPES[name]
    known = {f.name for f in fields(cls)}
    values = {key: value for key, value in payload.items() if key in known}
    if cls is GuidanceGiven:
        values["guidance"] = Guidance(**values["guidance"])
    return cls(**values)
