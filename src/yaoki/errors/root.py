"""What every error of ours is made of."""

from typing import Any, ClassVar

from yaoki.errors.categories import AIErrorCategory, AIErrorSeverity, AIRecoveryStrategy, Fault
from yaoki.errors.context import AIErrorContext, current
from yaoki.errors.kinds import KINDS, Kind

CLASS_OF: dict[str, "type[AIOrchestrationError]"] = {}
"""The class of every kind, by the kind's name."""


class AIOrchestrationError(Exception):
    """Anything that Yaoki knows to have gone wrong: facts, not prose.

    Attributes:
        kind: `family.slug`, for example `model.truncated`; what programs compare.
        retry_after_s: Seconds until another try makes sense, or None if nobody knows.
        context: Where it happened; what was bound there, unless it is given.
        facts: Further facts by name, safe to show: never a secret, never a user's text.
        report: What was tried to recover from it, once something was (`yaoki.recovery.RecoveryReport`).

    Example:
        >>> from yaoki.errors import ModelTimeoutError
        >>> error = ModelTimeoutError("No first token for 10 s.", phase="first_token")
        >>> error.kind, error.fault.value, error.retryable, error.facts
        ('model.timeout', 'dependency', True, {'phase': 'first_token'})
    """

    row: ClassVar[Kind] = KINDS["agent"]

    def __init_subclass__(cls, kind: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if kind is not None:
            cls.row = KINDS[kind]
            CLASS_OF[kind] = cls

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        context: AIErrorContext | None = None,
        **facts: object,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        self.context = context or current()
        self.facts = facts
        self.report: object | None = None

    @property
    def kind(self) -> str:
        """The kind's full name; the family's alone if no finer kind is known."""
        return self.row.name

    @property
    def category(self) -> AIErrorCategory:
        """The family."""
        return self.row.category

    @property
    def severity(self) -> AIErrorSeverity:
        """How much of it reaches people."""
        return self.row.severity

    @property
    def fault(self) -> Fault:
        """Whose fault it is."""
        return self.row.fault

    @property
    def retryable(self) -> bool:
        """Whether the same call may be tried again."""
        return self.row.retryable

    @property
    def strategies(self) -> tuple[AIRecoveryStrategy, ...]:
        """What may heal it, in order."""
        return self.row.strategies
