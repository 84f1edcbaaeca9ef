"""The guard around a plain function: the same policies, as far as a function that cannot wait can follow them."""

import asyncio
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from yaoki.errors.tree import ConfigurationSettingError
from yaoki.resilience.guard import NOT_STARTED, Guard
from yaoki.resilience.topics import CallEnded
from yaoki.resilience.verdicts import Verdict

P = ParamSpec("P")
T = TypeVar("T")

PlainRescue = Callable[[Exception, tuple[Any, ...], dict[str, Any]], Any]


def wrap_plain(guard: Guard, call: Callable[P, T], rescue: PlainRescue | None = None) -> Callable[P, T]:
    """A plain function under the guard.

    Nobody waits in line: without a free slot the call is refused at once. Between attempts the thread waits; on an
    event loop's own thread, which must not stand still, there is one attempt only.

    Raises:
        ConfigurationSettingError: The guard has a timeout, which nothing can enforce on a plain function.
    """
    if guard.timeout is not None:
        raise ConfigurationSettingError(
            f"{guard.operation} is a plain function: no timeout can interrupt it.", settings=["timeout_s"]
        )

    @wraps(call)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        retry = guard.retry
        if retry is not None and retry.budget is not None:
            retry.budget.deposit()
        attempt = 1
        while True:
            held = _Held()
            try:
                held.take(guard)
                value = _plain(guard.operation, call(*args, **kwargs))
            except BaseException as error:
                failure = guard.give_back(error, held.has_slot, held.generation, held.started, None)
                delay_s = None if retry is None or _on_loop() else retry.next_delay_s(attempt, failure)
                if delay_s is None:
                    guard.tell_end(failure, attempt)
                    if rescue is not None and isinstance(failure, Exception):
                        return rescue(failure, args, kwargs)
                    raise
                guard.tell_retry(failure, attempt, delay_s)
            else:
                held.give_back(guard)
                if guard.notices is not None and guard.notices.wants(CallEnded):
                    guard.notices.publish(CallEnded(operation=guard.operation, outcome="succeeded", attempts=attempt))
                return value
            guard.clock.block(delay_s)
            attempt += 1

    return guarded


class _Held:
    """What one attempt of a plain function holds."""

    __slots__ = ("generation", "has_slot", "started")

    def __init__(self) -> None:
        self.has_slot = False
        self.generation = NOT_STARTED
        self.started = 0.0

    def take(self, guard: Guard) -> None:
        if guard.bulkhead is not None:
            guard.bulkhead.enter_now()
            self.has_slot = True
        if guard.breaker is not None:
            self.generation = guard.breaker.start()
            self.started = guard.clock.monotonic() if guard.breaker.timed else 0.0

    def give_back(self, guard: Guard) -> None:
        if guard.breaker is not None:
            guard.breaker.settle(self.generation, Verdict.SUCCEEDED, self.started)
        if guard.bulkhead is not None:
            guard.bulkhead.leave()


def _plain(operation: str, value: T) -> T:
    """The value, unless it is an awaitable: whatever happens in that would happen outside the guard."""
    if not hasattr(value, "__await__"):
        return value
    close = getattr(value, "close", None)
    if close is not None:
        close()
    raise ConfigurationSettingError(f"{operation} returns an awaitable: declare it with `async def`.")


def _on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
