"""A guarded stream against any source and any consumer: what is handed on is a prefix, and nothing stays held."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from hypothesis import given, settings
from hypothesis import strategies as st

from yaoki.resilience import (
    BreakerPolicy,
    BreakerState,
    Bulkhead,
    CircuitBreaker,
    Guard,
    StreamLimits,
    Timeout,
)
from yaoki.resilience.guard_stream import wrap_stream
from yaoki.testing import FakeClock

FIRST_S, GAP_S, TOTAL_S = 10.0, 5.0, 20.0
STEPS = st.lists(
    st.one_of(st.sampled_from("abc"), st.sampled_from([1.0, 4.0, 6.0, 11.0]), st.just(OSError("cut"))), max_size=8
)


def expected(steps: list[object]) -> tuple[list[str], str]:
    """What a patient consumer sees: the items, and how it ends."""
    items: list[str] = []
    waited = total = 0.0
    for step in steps:
        if isinstance(step, float):
            limit = GAP_S if items else FIRST_S
            if total + step >= TOTAL_S or waited + step >= limit:
                return items, "timeout"
            waited, total = waited + step, total + step
        elif isinstance(step, Exception):
            return items, "error"
        else:
            items.append(str(step))
            waited = 0.0
    return items, "end"


@given(STEPS, st.one_of(st.none(), st.integers(0, 4)), st.one_of(st.none(), st.sampled_from([0.5, 3.0, 9.5])))
@settings(max_examples=200, deadline=None)
def test_any_stream(steps: list[object], stops_after: int | None, cancelled_at: float | None) -> None:
    async def run() -> tuple[_Played, object]:
        played = _Played(steps, stops_after)
        return played, await played.play(cancelled_at)

    played, end = asyncio.run(run())
    items, outcome = expected(steps)
    if isinstance(end, asyncio.CancelledError):
        assert cancelled_at is not None
        assert played.seen == items[: len(played.seen)]
    elif end == "stopped":
        assert played.seen == items[:stops_after]
    else:
        assert (played.seen, end) == (items, outcome)
    assert (played.closed, played.bulkhead.in_use, played.clock.armed) == (1, 0, 0)
    assert (played.breaker.state is BreakerState.OPEN) == (end in {"timeout", "error"})


class _Played:
    """One source, one guarded stream over it, one consumer."""

    def __init__(self, steps: list[object], stops_after: int | None) -> None:
        self.steps = steps
        self.stops_after = stops_after
        self.clock = clock = FakeClock()
        self.breaker = CircuitBreaker("dep", BreakerPolicy(threshold=1, break_s=1e6), clock=clock)
        self.bulkhead = Bulkhead("dep", clock=clock)
        limits = StreamLimits(
            first_item=Timeout(FIRST_S, clock=clock),
            gap=Timeout(GAP_S, clock=clock),
            total=Timeout(TOTAL_S, clock=clock),
        )
        guard = Guard("op", breaker=self.breaker, bulkhead=self.bulkhead, clock=clock)
        self.stream = wrap_stream(guard, self.source, limits)()
        self.seen: list[str] = []
        self.closed = 0

    async def source(self) -> AsyncGenerator[str, None]:
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await self.clock.sleep(step)
                else:
                    yield str(step)
        finally:
            self.closed += 1

    async def consume(self) -> str:
        async with aclosing(self.stream):
            try:
                async for item in self.stream:
                    self.seen.append(item)
                    if len(self.seen) == self.stops_after:
                        return "stopped"
            except TimeoutError:
                return "timeout"
            except OSError:
                return "error"
        return "end"

    async def play(self, cancelled_at: float | None) -> object:
        task = asyncio.create_task(self.consume())
        if cancelled_at is not None:
            await self.clock.advance(cancelled_at)
            task.cancel()
        await self.clock.advance(100)
        (end,) = await asyncio.gather(task, return_exceptions=True)
        return end
