"""`handle_ai_errors`: the guard and the recovery around any function.

    recovery and fallback( retry( bulkhead( breaker( timeout( call )))))

Names are resolved once, when the function is decorated. With `retry=`, recovery does not retry again: no layer
multiplies another's attempts.
"""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from yaoki.errors import AIRecoveryStrategy, ConfigurationSettingError
from yaoki.recovery.case import Case
from yaoki.recovery.error_recovery import AIRecoveryManager, ai_recovery_manager
from yaoki.recovery.reports import Degraded
from yaoki.resilience.breaker import CircuitBreaker
from yaoki.resilience.bulkhead import Bulkhead
from yaoki.resilience.fallback import Fallback
from yaoki.resilience.guard import Guard, Rescue
from yaoki.resilience.guard_plain import wrap_plain
from yaoki.resilience.guard_stream import StreamLimits, wrap_stream
from yaoki.resilience.registry import GUARDS, Guards
from yaoki.resilience.retry import Retry, RetryPolicy

P = ParamSpec("P")
T = TypeVar("T")
Y = TypeVar("Y")
F = TypeVar("F", bound=Callable[..., Any])


class Decorator(Protocol):
    """Takes a function and gives one with the same signature."""

    @overload
    def __call__(self, call: Callable[P, AsyncGenerator[Y, None]], /) -> Callable[P, AsyncGenerator[Y, None]]: ...
    @overload
    def __call__(self, call: Callable[P, AsyncIterator[Y]], /) -> Callable[P, AsyncIterator[Y]]: ...
    @overload
    def __call__(self, call: Callable[P, Coroutine[Any, Any, T]], /) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __call__(self, call: Callable[P, T], /) -> Callable[P, T]: ...


@overload
def handle_ai_errors(operation_name: F, /) -> F: ...
@overload
def handle_ai_errors(
    operation_name: str | None = None,
    *,
    enable_recovery: bool = False,
    circuit_breaker: str | CircuitBreaker | None = None,
    bulkhead: str | Bulkhead | None = None,
    retry: str | RetryPolicy | Retry | None = None,
    timeout_s: float | None = None,
    first_item_timeout_s: float | None = None,
    gap_timeout_s: float | None = None,
    fallback: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
    guards: Guards = GUARDS,
    manager: AIRecoveryManager = ai_recovery_manager,
) -> Decorator: ...
def handle_ai_errors(  # noqa: PLR0913 - one keyword for each policy
    operation_name: Any = None,
    *,
    enable_recovery: bool = False,
    circuit_breaker: str | CircuitBreaker | None = None,
    bulkhead: str | Bulkhead | None = None,
    retry: str | RetryPolicy | Retry | None = None,
    timeout_s: float | None = None,
    first_item_timeout_s: float | None = None,
    gap_timeout_s: float | None = None,
    fallback: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
    guards: Guards = GUARDS,
    manager: AIRecoveryManager = ai_recovery_manager,
) -> Any:
    """Guard a coroutine function, an async generator function or a plain function.

    Args:
        operation_name: The name in errors, notices and metrics; the function's own name without it.
        enable_recovery: Hand the error of a failed call to `manager`, which may run it again: only for calls that may
            run twice. For streams (before their first item) and plain functions it means its retries.
        circuit_breaker: A name of `guards.breakers`, or a live one; shared by everybody who names it.
        bulkhead: A name of `guards.bulkheads`, or a live one.
        retry: A name of `guards.retries`, a policy, or a live one. Only for calls that may run twice.
        timeout_s: Seconds for one attempt, above 0; for a stream from its start to its end.
        first_item_timeout_s: Seconds until a stream's first item.
        gap_timeout_s: Seconds until each further item.
        fallback: Another function with the same arguments, or several in order; for a stream one, which must be a
            stream too.
        guards: Where names are looked up.
        manager: Who recovers.

    Returns:
        A decorator that keeps the signature. The function raises what it raised before, besides
        ResourceBreakerOpenError, ResourceBulkheadFullError and CommunicationTimeoutError (a `TimeoutError`).

    Raises:
        ConfigurationSettingError: When decorating: a timeout for a plain function, or one of a stream for another.

    Example:
        >>> import asyncio
        >>> @handle_ai_errors(circuit_breaker="weather", timeout_s=2.0, fallback=lambda city: "no idea")
        ... async def weather(city: str) -> str:
        ...     raise ConnectionRefusedError
        >>> asyncio.run(weather("Oslo"))
        'no idea'
    """
    if callable(operation_name):
        return handle_ai_errors()(operation_name)
    answers = () if fallback is None else (fallback,) if callable(fallback) else tuple(fallback)

    def decorate(call: Callable[..., Any]) -> Callable[..., Any]:
        name = operation_name or getattr(call, "__qualname__", repr(call))
        is_stream = _is(inspect.isasyncgenfunction, call)
        is_coroutine = _is(inspect.iscoroutinefunction, call)
        again = retry if retry is not None or not enable_recovery or is_coroutine else manager.retry
        guard = guards.guard(
            name,
            circuit_breaker=circuit_breaker,
            bulkhead=bulkhead,
            retry=again,
            timeout_s=None if is_stream else timeout_s,
        )
        if is_stream:
            limits = _stream_limits(guards, first_item_timeout_s, gap_timeout_s, timeout_s)
            return wrap_stream(guard, call, limits, _only(answers, name))
        if first_item_timeout_s is not None or gap_timeout_s is not None:
            raise ConfigurationSettingError(f"{name} is not a stream: it has no items to wait for.")
        rest = Fallback(name, *answers, notices=guards.notices) if answers else None
        if not is_coroutine:
            return wrap_plain(guard, call, None if rest is None else rest.rescue_plain)
        recovery = _Recovery(guard, call, manager, retries=retry is None) if enable_recovery else None
        return guard.wrap(call, _rescue(recovery, rest))

    return cast("Decorator", decorate)


class _Recovery:
    """Asks the manager for the value of a failed call; runs it again under the guard, but without its retries."""

    def __init__(
        self, guard: Guard, call: Callable[..., Awaitable[Any]], manager: AIRecoveryManager, *, retries: bool
    ) -> None:
        once = Guard(
            guard.operation,
            bulkhead=guard.bulkhead,
            breaker=guard.breaker,
            timeout=guard.timeout,
            clock=guard.clock,
            notices=guard.notices,
        )
        self.name = guard.operation
        self.manager = manager
        self.attempt = once.wrap(call)
        self.spent = frozenset[AIRecoveryStrategy]() if retries else frozenset({AIRecoveryStrategy.RETRY})

    async def rescue(self, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The value after all; a lesser one must say itself that it is one, since a decorator keeps the type."""
        case = Case(name=self.name, operation=self.attempt, args=args, kwargs=kwargs, error=error, spent=self.spent)
        value = await self.manager.recover(case)
        return cast("Degraded[Any]", value).value if isinstance(value, Degraded) else value


def _rescue(recovery: _Recovery | None, rest: Fallback | None) -> Rescue | None:
    if recovery is None:
        return None if rest is None else rest.rescue
    if rest is None:
        return recovery.rescue

    async def both(error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        async def recovered(*_: Any, **__: Any) -> Any:
            return await recovery.rescue(error, args, kwargs)

        return await rest.wrap(recovered)(*args, **kwargs)

    return both


def _is(what: Callable[[object], bool], call: Callable[..., Any]) -> bool:
    """Whether a function, or an object that can be called, is of this sort."""
    return what(call) or what(getattr(call, "__call__", None))  # noqa: B004 - the method itself is looked at


def _stream_limits(
    guards: Guards, first_item_s: float | None, gap_s: float | None, total_s: float | None
) -> StreamLimits:
    first, gap, total = (
        None if seconds is None else guards.timeout(seconds) for seconds in (first_item_s, gap_s, total_s)
    )
    return StreamLimits(first_item=first, gap=gap, total=total)


def _only(answers: tuple[Callable[..., Any], ...], name: str) -> Callable[..., AsyncIterator[Any]] | None:
    if len(answers) > 1 or not all(inspect.isasyncgenfunction(answer) for answer in answers):
        raise ConfigurationSettingError(f"{name} is a stream: its fallback must be one async generator function.")
    return answers[0] if answers else None
