"""No order of arrivals, departures, cancellations and timeouts leaks a slot or lets one too many in."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.properties.looped import LoopedMachine
from yaoki.errors import ResourceBulkheadFullError
from yaoki.resilience import Bulkhead, BulkheadPolicy

QUEUE_TIMEOUT_S = 5.0


class BulkheadMachine(LoopedMachine):
    """Callers are tasks: they wait in line, are inside until told to leave, or are cancelled at any moment."""

    in_order = True

    def __init__(self) -> None:
        super().__init__()
        self.bulkhead = Bulkhead("dep", clock=self.clock)
        self.inside: list[int] = []
        self.entered: list[int] = []
        self.doors: list[asyncio.Event] = []

    @initialize(concurrent=st.integers(1, 3), queued=st.integers(0, 4))
    def begin(self, concurrent: int, queued: int) -> None:
        self.bulkhead.adopt(policy(concurrent, queued))

    async def caller(self, number: int) -> None:
        in_line = self.bulkhead.queued > 0 or self.bulkhead.in_use >= self.bulkhead.policy.max_concurrent
        await self.bulkhead.enter()
        if in_line:  # whoever finds a free slot may be inside before one who was handed his has woken up
            self.entered.append(number)
        self.inside.append(number)
        try:
            await self.doors[number].wait()
        finally:
            self.inside.remove(number)
            self.bulkhead.leave()

    @rule(settles=st.booleans())
    def arrive(self, settles: bool) -> None:
        self.doors.append(asyncio.Event())
        self.start_task(self.caller(len(self.tasks)))
        if settles:
            self.advance()

    @precondition(lambda self: self.inside)
    @rule(data=st.data(), settles=st.booleans())
    def depart(self, data: st.DataObject, settles: bool) -> None:
        self.doors[data.draw(st.sampled_from(self.inside))].set()
        if settles:
            self.advance()

    @precondition(lambda self: self.running())
    @rule(data=st.data(), settles=st.booleans())
    def cancel(self, data: st.DataObject, settles: bool) -> None:
        self.tasks[data.draw(st.sampled_from(self.running()))].cancel()
        if settles:
            self.advance()

    @rule(seconds=st.sampled_from([1.0, QUEUE_TIMEOUT_S]))
    def wait(self, seconds: float) -> None:
        self.advance(seconds)

    @invariant()
    def nobody_overtakes(self) -> None:
        assert not self.in_order or self.entered == sorted(self.entered)

    @invariant()
    def within_bounds(self) -> None:
        assert self.bulkhead.in_use <= self.most_inside()
        assert len(self.inside) <= self.bulkhead.in_use

    def most_inside(self) -> int:
        return self.bulkhead.policy.max_concurrent

    def finish(self, results: list[object]) -> None:
        assert (self.bulkhead.in_use, self.bulkhead.queued, self.clock.armed) == (0, 0, 0)
        assert self.bulkhead.rejected == sum(isinstance(result, ResourceBulkheadFullError) for result in results)


class ChangingBulkheadMachine(BulkheadMachine):
    """The same while its policy changes. New room may let in one from the line and one who just arrived."""

    in_order = False

    @rule(concurrent=st.integers(1, 3), queued=st.integers(0, 4))
    def adopt(self, concurrent: int, queued: int) -> None:
        self.bulkhead.adopt(policy(concurrent, queued))

    def most_inside(self) -> int:
        return 3


def policy(concurrent: int, queued: int) -> BulkheadPolicy:
    return BulkheadPolicy(max_concurrent=concurrent, max_queued=queued, queue_timeout_s=QUEUE_TIMEOUT_S)


TestBulkhead = BulkheadMachine.TestCase
TestBulkhead.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestChangingBulkhead = ChangingBulkheadMachine.TestCase
TestChangingBulkhead.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
