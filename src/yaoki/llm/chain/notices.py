"""What the chain tells whoever listens, for metrics and alerts. A notice never carries text of a conversation."""

from dataclasses import dataclass
from typing import Literal

Phase = Literal["before_first_token", "mid_stream"]


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """One candidate could not answer.

    Attributes:
        model: The candidate's name.
        kind: The error's kind, for example `model.truncated`.
        fault: What exactly was seen, for example `cut_done` or `idle`; the kind again where nothing finer is known.
    """

    model: str
    kind: str
    fault: str


@dataclass(frozen=True, slots=True)
class FailedOver:
    """The chain left one candidate for another; a retry of the same candidate is none."""

    from_model: str
    to_model: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class FirstToken:
    """A candidate gave its first sign of life `seconds` after it was asked."""

    model: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Parked:
    """Somebody should look: a key is refused or spent, or a model has no other key, or is not known any more.

    Attributes:
        model: The candidate's name.
        kind: The error's kind, for example `model.quota_exceeded`.
        what: key: that key rests, another one is used; model: the model rests.
    """

    model: str
    kind: str
    what: Literal["key", "model"]


@dataclass(frozen=True, slots=True)
class MovedBack:
    """A model is slow for its own usual measure: for so many seconds, others of its chain are asked first."""

    model: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Hedged:
    """The first token of `model` was late, so `other` was asked, too, and `winner` is the one that answers."""

    model: str
    other: str
    winner: str
