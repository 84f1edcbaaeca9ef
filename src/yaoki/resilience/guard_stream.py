"""The guard around an async generator: deadlines for the first item, for each gap, and for the whole.

The slot and the permit are held until the stream ends. A stream that broke may be tried again, or answered by another
one, only as long as no item was handed on: what a consumer has seen is never repeated. Time that the consumer takes
counts towards the whole only.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from yaoki.errors.records import Record
from yaoki.errors.tree import CommunicationTimeoutError
from yaoki.resilience.deadlines import Deadline, Timeout
from yaoki.resilience.guard import NOT_STARTED, Guard
from yaoki.resilience.topics import CallEnded
from yaoki.resilience.verdicts import Verdict, may_be_answered_elsewhere

P = ParamSpec("P")
Y = TypeVar("Y")


class StreamLimits(Record):
    """The deadlines of a stream; each may be missing, and may be shared.

    Attributes:
        first_item: Until the first item.
        gap: From one item being asked for until it is there, after the first.
        total: From the start to the end.
    """

    first_item: Timeout | None = None
    gap: Timeout | None = None
    total: Timeout | None = None


def wrap_stream(
    guard: Guard,
    call: Callable[P, AsyncIterator[Y]],
    limits: StreamLimits,
    fallback: Callable[P, AsyncIterator[Y]] | None = None,
) -> Callable[P, AsyncGenerator[Y, None]]:
    """An async generator function under the guard.

    Args:
        guard: Its own timeout is not used: a stream has `limits`.
        call: What to guard.
        limits: The deadlines.
        fallback: Streams in place of one that failed before its first item.

    Returns:
        An async generator function with the same arguments. It raises what `call` raised, CommunicationTimeoutError
        with the fact `phase` (first_item, gap, total), ResourceBreakerOpenError or ResourceBulkheadFullError. A
        consumer that stops early, or is cancelled, gives everything back; it should close the generator
        (`contextlib.aclosing`).
    """

    @wraps(call)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Y, None]:
        attempt = 1
        run = _Run(guard, limits)
        run.deposit()
        while True:
            delay_s = None
            try:
                await run.begin()
                stream = call(*args, **kwargs)
                try:
                    while (item := await run.next_of(stream)) is not _END:
                        run.with_consumer = True
                        yield item
                        run.with_consumer = False
                finally:
                    await _close(stream)
            except BaseException as error:
                run.fail(error)
                delay_s = run.delay_before_next(error, attempt)
                if delay_s is None and (run.handed_on or fallback is None or not may_be_answered_elsewhere(error)):
                    raise
            else:
                run.succeed(attempt)
                return
            if delay_s is None:
                break
            await guard.pause(delay_s, attempt)
            attempt += 1
            run = _Run(guard, limits)
        if fallback is not None:
            async for item in fallback(*args, **kwargs):
                yield item

    return guarded


_END: Any = object()
_STOPPED = GeneratorExit()


class _Run:
    """One attempt: what it holds, and which deadlines watch it."""

    def __init__(self, guard: Guard, limits: StreamLimits) -> None:
        self.guard = guard
        self.limits = limits
        self.has_slot = False
        self.generation = NOT_STARTED
        self.started = 0.0
        self.handed_on = False
        self.with_consumer = False
        self.whole: Deadline | None = None

    def deposit(self) -> None:
        """Tell the retry budget of a first try."""
        if self.guard.retry is not None and self.guard.retry.budget is not None:
            self.guard.retry.budget.deposit()

    async def begin(self) -> None:
        """Take a slot and a permit, and start the deadline of the whole."""
        guard = self.guard
        if guard.bulkhead is not None:
            if not guard.bulkhead.try_enter():
                await guard.wait_for_slot(guard.bulkhead)
            self.has_slot = True
        if guard.breaker is not None:
            self.generation = guard.breaker.start()
            self.started = guard.clock.monotonic() if guard.breaker.timed else 0.0
        if self.limits.total is not None:
            self.whole = self.limits.total.begin()
            self.whole.end_wait()

    async def next_of(self, stream: AsyncIterator[Any]) -> Any:
        """The next item under the deadlines, or `_END`."""
        phase, limit = ("gap", self.limits.gap) if self.handed_on else ("first_item", self.limits.first_item)
        if self.whole is not None:
            if self.whole.passed:
                raise self._timed_out("total", self.limits.total)
            self.whole.begin_wait()
        deadline = None if limit is None else limit.begin()
        try:
            item = await anext(stream, _END)
        except BaseException as error:
            ours = self._end_wait(limit, deadline)
            if ours and isinstance(error, asyncio.CancelledError):
                own = deadline is not None and deadline.passed
                raise self._timed_out(*((phase, limit) if own else ("total", self.limits.total))) from error
            raise
        self._end_wait(limit, deadline)
        self.handed_on = self.handed_on or item is not _END
        return item

    def fail(self, error: BaseException) -> None:
        """Give the verdict and everything else back. What came from the consumer says nothing about the stream."""
        self._end_whole()
        blamed = _STOPPED if self.with_consumer else error
        self.guard.give_back(blamed, self.has_slot, self.generation, self.started, None)

    def delay_before_next(self, error: BaseException, attempt: int) -> float | None:
        """Seconds until another attempt, or None if there is none."""
        retry = self.guard.retry
        delay_s = None if retry is None or self.handed_on else retry.next_delay_s(attempt, error)
        if delay_s is None:
            self.guard.tell_end(_STOPPED if self.with_consumer else error, attempt)
        else:
            self.guard.tell_retry(error, attempt, delay_s)
        return delay_s

    def succeed(self, attempt: int) -> None:
        """The stream ended by itself."""
        guard = self.guard
        self._end_whole()
        if guard.breaker is not None:
            guard.breaker.settle(self.generation, Verdict.SUCCEEDED, self.started)
        if guard.bulkhead is not None:
            guard.bulkhead.leave()
        if guard.notices is not None and guard.notices.wants(CallEnded):
            guard.notices.publish(CallEnded(operation=guard.operation, outcome="succeeded", attempts=attempt))

    def _end_wait(self, limit: Timeout | None, deadline: Deadline | None) -> bool:
        """Whether a deadline of ours interrupted this wait, and nobody else did."""
        ours = False
        if deadline is not None and limit is not None:
            limit.end(deadline)
            ours = deadline.passed and deadline.takes_back()
        if self.whole is not None:
            if self.whole.passed:
                ours = self.whole.takes_back()
            self.whole.end_wait()
        return ours

    def _end_whole(self) -> None:
        if self.whole is not None and self.limits.total is not None:
            self.limits.total.end(self.whole)

    def _timed_out(self, phase: str, limit: Timeout | None) -> CommunicationTimeoutError:
        limit_s = 0.0 if limit is None else limit.timeout_s
        return CommunicationTimeoutError(
            f"{self.guard.operation}: the {phase.replace('_', ' ')} took longer than {limit_s:g} s.",
            timeout_s=limit_s,
            phase=phase,
        )


async def _close(stream: AsyncIterator[Any]) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()
