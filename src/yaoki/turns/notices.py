"""What turns tell whoever listens."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnFinished:
    """A turn ended `seconds` after this process claimed it."""

    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """A run of a turn broke off; the turn stays open and is claimed again."""

    turn: str
    error: BaseException
