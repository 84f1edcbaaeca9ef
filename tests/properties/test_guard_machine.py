"""The whole guard under any mixture of outcomes, cancellations and pauses: nothing is held by nobody."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.properties.looped import LoopedMachine
from yaoki.errors import ModelFilteredError, ResourceBreakerOpenError, ResourceBulkheadFullError
from yaoki.resilience import (
    BreakerPolicy,
    BreakerState,
    Bulkhead,
    BulkheadPolicy,
    CallEnded,
    CircuitBreaker,
    Fallback,
    Guard,
    Notices,
    Retry,
    RetryPolicy,
    Timeout,
)
from yaoki.testing import Heard

BREAK_S = 30.0


class GuardMachine(LoopedMachine):
    """Callers of one dependency through one guard, with or without a fallback."""

    @initialize(concurrent=st.integers(1, 3), queued=st.integers(0, 3), attempts=st.integers(1, 3), falls=st.booleans())
    def begin(self, concurrent: int, queued: int, attempts: int, falls: bool) -> None:
        notices = Notices()
        self.heard = Heard(notices, CallEnded)
        self.guard = Guard(
            "op",
            bulkhead=Bulkhead(
                "dep", BulkheadPolicy(max_concurrent=concurrent, max_queued=queued, queue_timeout_s=7), clock=self.clock
            ),
            breaker=CircuitBreaker("dep", BreakerPolicy(threshold=3, break_s=BREAK_S), clock=self.clock),
            retry=Retry(RetryPolicy(max_attempts=attempts, jitter=False)),
            timeout=Timeout(10, clock=self.clock),
            clock=self.clock,
            notices=notices,
        )
        rescue = Fallback("op", lambda _: "other").rescue if falls else None
        self.falls = falls
        self.call = self.guard.wrap(self.dependency, rescue)
        self.inside: dict[int, asyncio.Future[object]] = {}

    async def dependency(self, number: int) -> object:
        self.inside[number] = self.loop.create_future()
        try:
            return await self.inside[number]
        finally:
            del self.inside[number]

    @rule()
    def arrive(self) -> None:
        self.start_task(self.call(len(self.tasks)))
        self.advance()

    @precondition(lambda self: self.inside)
    @rule(
        data=st.data(),
        outcome=st.sampled_from(["ok", ConnectionResetError(), ModelFilteredError("no"), TypeError("bug")]),
    )
    def answer(self, data: st.DataObject, outcome: object) -> None:
        future = self.inside[data.draw(st.sampled_from(sorted(self.inside)))]
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        self.advance()

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task = self.tasks[data.draw(st.sampled_from(self.running()))]
        task.cancel()
        self.advance()
        assert task.cancelled(), "a cancellation is never swallowed, and never waits"

    @rule(seconds=st.sampled_from([1.0, 8.0, BREAK_S]))
    def wait(self, seconds: float) -> None:
        self.advance(seconds)

    @invariant()
    def nothing_is_held_by_nobody(self) -> None:
        bulkhead, breaker = self.guard.bulkhead, self.guard.breaker
        assert bulkhead is not None
        assert breaker is not None
        assert bulkhead.in_use == len(self.inside) <= bulkhead.policy.max_concurrent
        assert repr(self.guard.timeout) == f"<Timeout 10 s, {len(self.inside)} open>"
        if breaker.state is BreakerState.HALF_OPEN:
            assert breaker._probing <= min(breaker.policy.probes, len(self.inside))
        ended = sum(task.done() for task in self.tasks)
        assert len(self.heard.notices) == ended, "each call is told once"

    def finish(self, results: list[object]) -> None:
        refused = (ResourceBreakerOpenError, ResourceBulkheadFullError)
        assert not (self.falls and any(isinstance(result, refused) for result in results)), "answered elsewhere"
        self.nothing_is_held_by_nobody()


TestGuard = GuardMachine.TestCase
TestGuard.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
