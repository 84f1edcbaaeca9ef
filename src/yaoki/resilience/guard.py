"""The guard: every policy of one operation, compiled into one coroutine frame.

    fallback( retry( bulkhead( breaker( timeout( call )))))

The bulkhead stands before the breaker, so whoever waited in line asks the breaker when the slot comes, and a line of a
thousand does not run into a dependency that died meanwhile; nobody joins the line of an open breaker. No slot is held
while a retry waits. The timeout is that of one attempt.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from yaoki.errors.classification import kind_of
from yaoki.errors.root import AIOrchestrationError
from yaoki.errors.tree import CommunicationTimeoutError, ResourceManagementError
from yaoki.resilience.breaker import CircuitBreaker
from yaoki.resilience.bulkhead import Bulkhead
from yaoki.resilience.clock import SYSTEM_CLOCK, Scheduler
from yaoki.resilience.deadlines import Deadline, Timeout
from yaoki.resilience.notices import Notices
from yaoki.resilience.retry import Retry
from yaoki.resilience.topics import CallEnded, RetryScheduled
from yaoki.resilience.verdicts import Verdict, verdict_of

P = ParamSpec("P")
T = TypeVar("T")

Rescue = Callable[[Exception, tuple[Any, ...], dict[str, Any]], Awaitable[Any]]
"""What is asked for another answer when the guard has none: the error, and the arguments of the call."""

_SUCCEEDED = Verdict.SUCCEEDED
NOT_STARTED = -1
"""In place of a breaker's generation: the breaker was not asked, or refused."""


class Guard:
    """The policies of one operation. Each of them may be missing, and may be shared with other guards.

    Args:
        operation: The name in errors, notices and metrics.
        bulkhead: How many at once.
        breaker: Whether at all.
        retry: Whether again.
        timeout: How long an attempt may take.
        clock: Where the pauses between attempts come from.
        notices: Who is told of `CallEnded`, `RetryScheduled`.

    Example:
        >>> import asyncio
        >>> guard = Guard("greet", breaker=CircuitBreaker("greeter"), timeout=Timeout(1.0))
        >>> async def greet(name: str) -> str:
        ...     return f"Hello {name}"
        >>> asyncio.run(guard.wrap(greet)("Ada"))
        'Hello Ada'
    """

    __slots__ = ("breaker", "bulkhead", "clock", "notices", "operation", "retry", "timeout")

    def __init__(  # noqa: PLR0913 - one keyword for each policy
        self,
        operation: str,
        *,
        bulkhead: Bulkhead | None = None,
        breaker: CircuitBreaker | None = None,
        retry: Retry | None = None,
        timeout: Timeout | None = None,
        clock: Scheduler = SYSTEM_CLOCK,
        notices: Notices | None = None,
    ) -> None:
        self.operation = operation
        self.bulkhead = bulkhead
        self.breaker = breaker
        self.retry = retry
        self.timeout = timeout
        self.clock = clock
        self.notices = notices

    def __repr__(self) -> str:
        parts = [part for part in (self.retry, self.bulkhead, self.breaker, self.timeout) if part is not None]
        return f"<Guard {self.operation}{''.join(f' {part!r}' for part in parts)}>"

    async def call(self, call: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call once under the guard; `wrap` what is called often."""
        return await self.wrap(call)(*args, **kwargs)

    def wrap(  # noqa: C901, PLR0915 - it is as long as the one frame that it makes
        self, call: Callable[P, Awaitable[T]], rescue: Rescue | None = None
    ) -> Callable[P, Awaitable[T]]:
        """The function under the guard.

        Args:
            call: What to guard.
            rescue: Asked for another answer when the guard has none.

        Returns:
            A coroutine function with the same arguments. It raises what `call` raised in the last attempt, or
            CommunicationTimeoutError (a `TimeoutError`), ResourceBreakerOpenError, ResourceBulkheadFullError. On
            cancellation every slot and permit is given back.
        """
        bulkhead, breaker, retry, timeout, notices = self.bulkhead, self.breaker, self.retry, self.timeout, self.notices
        budget = None if retry is None else retry.budget

        @wraps(call)
        async def guarded(  # noqa: C901, PLR0912, PLR0915 - one frame is the point: a frame costs as much as a policy
            *args: P.args, **kwargs: P.kwargs
        ) -> T:
            if budget is not None:
                budget.deposit()
            attempt = 1
            while True:
                has_slot = False
                generation = NOT_STARTED
                started = 0.0
                deadline: Deadline | None = None
                try:
                    if bulkhead is not None:
                        if not bulkhead.try_enter():
                            await self.wait_for_slot(bulkhead)
                        has_slot = True
                    if breaker is not None:
                        generation = breaker.generation if breaker.calm else breaker.start()
                        if breaker.timed:
                            started = self.clock.monotonic()
                    if timeout is not None:
                        deadline = timeout.begin()
                    value = await call(*args, **kwargs)
                except BaseException as error:
                    failure = self.give_back(error, has_slot, generation, started, deadline)
                    delay_s = None if retry is None else retry.next_delay_s(attempt, failure)
                    if delay_s is None:
                        self.tell_end(failure, attempt)
                        if rescue is not None and isinstance(failure, Exception):
                            return await rescue(failure, args, kwargs)
                        if failure is error:
                            raise
                        raise failure from error
                    self.tell_retry(failure, attempt, delay_s)
                else:
                    if deadline is not None and timeout is not None:
                        timeout.end(deadline)
                        if deadline.passed:
                            deadline.takes_back()
                    if breaker is not None and (not breaker.calm or generation != breaker.generation):
                        breaker.settle(generation, _SUCCEEDED, started)
                    if bulkhead is not None:
                        bulkhead.leave()
                    if notices is not None and notices.wants(CallEnded):
                        notices.publish(CallEnded(operation=self.operation, outcome="succeeded", attempts=attempt))
                    return value
                await self.pause(delay_s, attempt)
                attempt += 1

        return guarded

    async def wait_for_slot(self, bulkhead: Bulkhead) -> None:
        """Join the line, unless the breaker would refuse at its end anyway."""
        if self.breaker is not None and not self.breaker.admits:
            self.breaker.start()
        await bulkhead.enter()

    async def pause(self, delay_s: float, attempt: int) -> None:
        """Wait between two attempts; a cancellation meanwhile ends the call, and is told like any other end."""
        try:
            await self.clock.sleep(delay_s)
        except asyncio.CancelledError as cancelled:
            self.tell_end(cancelled, attempt)
            raise

    def give_back(
        self, error: BaseException, has_slot: bool, generation: int, started: float, deadline: Deadline | None
    ) -> BaseException:
        """Give the verdict and whatever the failed attempt holds.

        Returns:
            The error to go on with: the same, or our timeout if our own deadline caused it.
        """
        if deadline is not None and self.timeout is not None:
            self.timeout.end(deadline)
            if deadline.passed and deadline.takes_back() and isinstance(error, asyncio.CancelledError):
                limit_s = self.timeout.timeout_s
                error = CommunicationTimeoutError(
                    f"{self.operation} took longer than {limit_s:g} s.", timeout_s=limit_s, phase="total"
                )
        if self.breaker is not None and generation != NOT_STARTED:
            self.breaker.settle(generation, verdict_of(error), started)
        if has_slot and self.bulkhead is not None:
            self.bulkhead.leave()
        if isinstance(error, AIOrchestrationError) and error.context.operation is None:
            error.context = error.context.but(operation=self.operation)
        return error

    def tell_retry(self, error: BaseException, attempt: int, delay_s: float) -> None:
        """Tell that another attempt will follow."""
        if self.notices is not None and self.notices.wants(RetryScheduled):
            self.notices.publish(
                RetryScheduled(operation=self.operation, attempt=attempt, delay_s=delay_s, kind=_kind_name(error))
            )

    def tell_end(self, error: BaseException, attempts: int) -> None:
        """Tell that the guard has no answer."""
        if self.notices is None or not self.notices.wants(CallEnded):
            return
        if isinstance(error, ResourceManagementError):
            outcome, attempts = "rejected", attempts - 1
        elif isinstance(error, TimeoutError):
            outcome = "timed_out"
        else:
            outcome = "failed" if verdict_of(error) is Verdict.FAILED else "ignored"
        self.notices.publish(
            CallEnded(operation=self.operation, outcome=outcome, kind=_kind_name(error), attempts=attempts)
        )


def _kind_name(error: BaseException) -> str | None:
    kind = kind_of(error)
    return None if kind is None else kind.name
