"""Another answer when the first one fails: a fallback gives another answer, a failover asks another provider."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from yaoki.errors.classification import kind_of
from yaoki.errors.tree import ConfigurationSettingError
from yaoki.resilience.notices import Notices
from yaoki.resilience.topics import FellBack
from yaoki.resilience.verdicts import may_be_answered_elsewhere

P = ParamSpec("P")
T = TypeVar("T")

FALLBACK_MODELS: dict[str, tuple[str, ...]] = {
    "llama3.2": ("llama3.1", "llama2"),
    "llama3.1": ("llama3.2", "llama2"),
}
"""Which models follow a failed one where settings name none. They may point at each other: each is visited once."""


class Fallback:
    """Functions that may answer in place of one that failed, in order.

    There is no fallback after a cancellation, a bug or the caller's own error: another function would be asked the same
    wrong question.

    Args:
        operation: The name in notices.
        answers: Functions with the arguments of the first, at least one; coroutine functions or plain ones.
        notices: Who is told of `FellBack`.

    Example:
        >>> import asyncio
        >>> async def ask(question: str) -> str:
        ...     raise ConnectionRefusedError
        >>> guess = Fallback("ask", lambda question: "perhaps").wrap(ask)
        >>> asyncio.run(guess("Will it rain?"))
        'perhaps'
    """

    __slots__ = ("answers", "notices", "operation")

    def __init__(self, operation: str, *answers: Callable[..., Any], notices: Notices | None = None) -> None:
        if not answers:
            raise ConfigurationSettingError(f"{operation} has no fallback to fall back to.", settings=["fallback"])
        self.operation = operation
        self.answers = answers
        self.notices = notices

    def __repr__(self) -> str:
        return f"<Fallback {self.operation} {len(self.answers)} answers>"

    def wrap(self, call: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """The function, which falls back.

        Returns:
            A coroutine function with the same arguments. It raises the last error when every answer failed.
        """

        @wraps(call)
        async def answered(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return await call(*args, **kwargs)
            except Exception as error:
                if not may_be_answered_elsewhere(error):
                    raise
                return await self.rescue(error, args, kwargs)

        return answered

    async def rescue(self, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The first fallback that answers; raises the last error if none does."""
        for position, answer in enumerate(self.answers, 1):
            if not may_be_answered_elsewhere(error):
                raise error
            try:
                value = answer(*args, **kwargs)
                value = await cast("Awaitable[Any]", value) if hasattr(value, "__await__") else value
            except Exception as failed:
                if position == len(self.answers):
                    raise
                error = failed
            else:
                self._tell(position, error)
                return value
        raise error  # pragma: no cover - the last answer has returned or raised

    def rescue_plain(self, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`rescue` for plain functions."""
        for position, answer in enumerate(self.answers, 1):
            if not may_be_answered_elsewhere(error):
                raise error
            try:
                value = answer(*args, **kwargs)
            except Exception as failed:
                if position == len(self.answers):
                    raise
                error = failed
            else:
                self._tell(position, error)
                return value
        raise error

    def _tell(self, position: int, error: Exception) -> None:
        if self.notices is not None and self.notices.wants(FellBack):
            kind = kind_of(error)
            self.notices.publish(
                FellBack(operation=self.operation, position=position, kind=None if kind is None else kind.name)
            )
