"""What a recovery tells: what was tried, what came of it, how long it took, why, and what to do next."""

from typing import Generic, TypeVar

from yaoki.errors import AIRecoveryStrategy, Record

T = TypeVar("T")


class AttemptReport(Record):
    """One thing that was tried.

    Attributes:
        strategy: What.
        outcome: succeeded, failed, invalid (it returned, and the check said no), or skipped.
        seconds: How long it took, pauses included.
        reason: Why it came out like that; empty if it succeeded.
        kind: The kind of the error it ended with, if it is known.
        component: Which part, where a recovery has several.
    """

    strategy: AIRecoveryStrategy
    outcome: str
    seconds: float
    reason: str = ""
    kind: str | None = None
    component: str | None = None


class RecoveryReport(Record):
    """A whole recovery.

    Attributes:
        operation: What was recovered.
        kind: The kind of the error it began with, if it is known.
        outcome: recovered, degraded or failed.
        attempts: In order.
        seconds: In all.
        next_steps: What a person can do, in plain words; empty if nothing is left to do.
    """

    operation: str
    kind: str | None
    outcome: str
    attempts: tuple[AttemptReport, ...]
    seconds: float
    next_steps: tuple[str, ...] = ()


class RecoveryEnded(Record):
    """A recovery is over: a notice.

    Attributes:
        strategy: What helped; the last one tried if nothing did, none if nothing was.
    """

    manager: str
    operation: str
    strategy: str
    outcome: str
    seconds: float


class Degraded(Generic[T]):
    """A lesser answer in place of the one that was asked for, marked as such.

    Attributes:
        value: The lesser answer.
        report: What was tried before.
    """

    __slots__ = ("report", "value")

    def __init__(self, value: T, report: RecoveryReport) -> None:
        self.value = value
        self.report = report

    def __repr__(self) -> str:
        return f"<Degraded {self.value!r}>"


_STEP_BY_STRATEGY = {
    AIRecoveryStrategy.RETRY: "Try again later.",
    AIRecoveryStrategy.FAILOVER: "Name a fallback for this model or service.",
    AIRecoveryStrategy.RECONNECT: "Reconnect.",
    AIRecoveryStrategy.RESTORE_SESSION: "Recover the session.",
    AIRecoveryStrategy.TEXT_FALLBACK: "Go on in text.",
    AIRecoveryStrategy.COMPACT_CONTEXT: "Begin a new session, or choose a model with a larger window.",
    AIRecoveryStrategy.REFRESH_CREDENTIALS: "Check the key or token.",
    AIRecoveryStrategy.QUARANTINE: "Look at what was quarantined.",
    AIRecoveryStrategy.SHED: "Send less at once.",
    AIRecoveryStrategy.ESCALATE: "Tell an operator.",
}


def next_steps(strategies: tuple[AIRecoveryStrategy, ...], retry_after_s: float | None) -> tuple[str, ...]:
    """What a person can do about an error with these strategies."""
    steps = [_STEP_BY_STRATEGY[strategy] for strategy in strategies if strategy in _STEP_BY_STRATEGY]
    if retry_after_s is not None:
        steps = [f"Try again in {retry_after_s:.0f} s.", *(step for step in steps if step != "Try again later.")]
    return tuple(steps)
