"""A failed operation on its way through recovery."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from yaoki.errors import AIOrchestrationError, AIRecoveryStrategy, Kind, kind_of
from yaoki.resilience.verdicts import BUGS

_UNKNOWN = (AIRecoveryStrategy.RETRY, AIRecoveryStrategy.DEGRADE)


class Case:
    """What failed, with which error, and what was done about it already.

    Attributes:
        name: The operation's name.
        operation: What to call again; a coroutine function or a plain one.
        args: Its arguments …
        kwargs: … and those by keyword.
        error: The latest error.
        spent: Strategies that are not tried any more.
    """

    __slots__ = ("args", "error", "kwargs", "name", "operation", "spent")

    def __init__(
        self,
        *,
        name: str,
        operation: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        error: Exception,
        spent: frozenset[AIRecoveryStrategy] = frozenset(),
    ) -> None:
        self.name = name
        self.operation = operation
        self.args = args
        self.kwargs = kwargs or {}
        self.error = error
        self.spent = set(spent)

    def __repr__(self) -> str:
        return f"<Case {self.name} {self.error!r}>"

    @property
    def kind(self) -> Kind | None:
        """The row of the kind table, if the error is known."""
        return kind_of(self.error)

    @property
    def strategies(self) -> tuple[AIRecoveryStrategy, ...]:
        """What may help, in order. Nothing helps against a bug; what nobody knows may be gone the next time."""
        kind = self.kind
        if kind is not None:
            return kind.strategies
        return () if isinstance(self.error, BUGS) else _UNKNOWN

    @property
    def retry_after_s(self) -> float | None:
        """Seconds that the other side asks for."""
        return self.error.retry_after_s if isinstance(self.error, AIOrchestrationError) else None

    def fails_with(self, error: Exception) -> None:
        """Go on from this error; the one before stays visible behind it."""
        if error is not self.error and error.__cause__ is None and error.__context__ is None:
            error.__context__ = self.error
        self.error = error

    async def run(self) -> Any:
        """Call the operation again."""
        return await settled(self.operation(*self.args, **self.kwargs))


async def settled(value: Any) -> Any:
    """A value, or what an awaitable comes to."""
    return await cast("Awaitable[Any]", value) if hasattr(value, "__await__") else value
