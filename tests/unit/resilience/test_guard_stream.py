"""Async generators under the guard."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from yaoki.errors import CommunicationTimeoutError, ModelTruncatedError
from yaoki.resilience import (
    BreakerPolicy,
    BreakerState,
    Bulkhead,
    BulkheadPolicy,
    CallEnded,
    CircuitBreaker,
    Guard,
    Notices,
    Retry,
    RetryPolicy,
    StreamLimits,
    Timeout,
)
from yaoki.resilience.guard_stream import wrap_stream
from yaoki.testing import FakeClock, Heard

NO_LIMITS = StreamLimits()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Source:
    """A stream by script: strings are items, numbers are seconds of silence, errors are raised."""

    def __init__(self, clock: FakeClock, *scripts: list[object]) -> None:
        self.clock = clock
        self.scripts = list(scripts)
        self.opened = 0
        self.closed = 0

    async def stream(self) -> AsyncGenerator[str, None]:
        script = self.scripts[min(self.opened, len(self.scripts) - 1)]
        self.opened += 1
        try:
            for step in script:
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, str):
                    yield step
                else:
                    await self.clock.sleep(float(str(step)))
        finally:
            self.closed += 1


def guard(clock: FakeClock, *, retry: bool = False, notices: Notices | None = None) -> Guard:
    return Guard(
        "op",
        bulkhead=Bulkhead("dep", BulkheadPolicy(max_concurrent=1), clock=clock),
        breaker=CircuitBreaker("dep", BreakerPolicy(threshold=1, break_s=60), clock=clock),
        retry=Retry(RetryPolicy(jitter=False)) if retry else None,
        clock=clock,
        notices=notices,
    )


def limits(clock: FakeClock, first: float = 100, gap: float = 100, total: float = 1000) -> StreamLimits:
    return StreamLimits(
        first_item=Timeout(first, clock=clock), gap=Timeout(gap, clock=clock), total=Timeout(total, clock=clock)
    )


async def collect(stream: AsyncIterator[str], into: list[str]) -> None:
    async for item in stream:
        into.append(item)  # noqa: PERF401 - what came before an error counts


async def run_until(
    clock: FakeClock, stream: AsyncIterator[str], seconds: float
) -> tuple[list[str], BaseException | None]:
    items: list[str] = []
    task = asyncio.create_task(collect(stream, items))
    await clock.advance(seconds)
    assert task.done()
    return items, task.exception()


async def test_a_whole_stream_passes_and_gives_everything_back(clock: FakeClock) -> None:
    notices = Notices()
    heard = Heard(notices, CallEnded)
    made = guard(clock, notices=notices)
    source = Source(clock, ["a", 1, "b"])
    items, error = await run_until(clock, wrap_stream(made, source.stream, limits(clock))(), 1)
    assert (items, error) == (["a", "b"], None)
    assert made.bulkhead is not None
    assert made.bulkhead.in_use == 0
    assert source.closed == 1
    assert heard.notices == [CallEnded(operation="op", outcome="succeeded")]
    await clock.advance(1000)
    assert clock.armed == 0


@pytest.mark.parametrize(
    "script, phase, seconds",
    [([11, "a"], "first_item", 10), (["a", 6, "b"], "gap", 5), (["a", 4, "b", 4, "c", 4, "d", 4], "total", 15)],
)
async def test_each_deadline_names_its_phase(
    clock: FakeClock, script: list[object], phase: str, seconds: float
) -> None:
    made = guard(clock)
    source = Source(clock, script)
    stream = wrap_stream(made, source.stream, limits(clock, first=10, gap=5, total=15))()
    _, error = await run_until(clock, stream, seconds)
    assert isinstance(error, CommunicationTimeoutError)
    assert error.facts["phase"] == phase
    assert source.closed == 1
    assert made.breaker is not None
    assert made.breaker.state is BreakerState.OPEN


async def test_time_of_a_slow_consumer_counts_for_the_whole_only(clock: FakeClock) -> None:
    stream = wrap_stream(guard(clock), Source(clock, ["a", "b"]).stream, limits(clock, gap=5, total=100))()
    assert await anext(stream) == "a"
    await clock.advance(50)
    assert await anext(stream) == "b"
    await clock.advance(50)
    with pytest.raises(CommunicationTimeoutError, match="total took longer than 100 s"):
        await anext(stream)


async def test_a_stream_that_broke_before_its_first_item_is_tried_again(clock: FakeClock) -> None:
    made = guard(clock, retry=True)
    made.breaker = None
    source = Source(clock, [ConnectionRefusedError()], ["a"])
    items, error = await run_until(clock, wrap_stream(made, source.stream, NO_LIMITS)(), 1)
    assert (items, error, source.opened) == (["a"], None, 2)


async def test_what_was_handed_on_is_never_repeated(clock: FakeClock) -> None:
    source = Source(clock, ["a", ModelTruncatedError("cut")], ["a", "b"])

    async def other() -> AsyncIterator[str]:
        yield "other"

    stream = wrap_stream(guard(clock, retry=True), source.stream, NO_LIMITS, other)()
    items, error = await run_until(clock, stream, 100)
    assert items == ["a"]
    assert isinstance(error, ModelTruncatedError)
    assert source.opened == 1


async def test_another_stream_answers_for_one_that_never_began(clock: FakeClock) -> None:
    made = guard(clock)

    async def other() -> AsyncIterator[str]:
        yield "other"

    for script in (["never"], [ConnectionRefusedError()]):
        stream = wrap_stream(made, Source(clock, [20, *script]).stream, limits(clock, first=10), other)()
        items, error = await run_until(clock, stream, 20)
        assert (items, error) == (["other"], None)


async def test_a_consumer_that_stops_early_blames_nobody(clock: FakeClock) -> None:
    made = guard(clock)
    source = Source(clock, ["a", "b"])
    async with aclosing(wrap_stream(made, source.stream, limits(clock))()) as stream:
        assert await anext(stream) == "a"
    assert source.closed == 1
    assert made.bulkhead is not None
    assert made.breaker is not None
    assert (made.bulkhead.in_use, made.breaker.state) == (0, BreakerState.CLOSED)


async def test_an_error_of_the_consumer_blames_nobody(clock: FakeClock) -> None:
    made = guard(clock)
    stream = wrap_stream(made, Source(clock, ["a", "b"]).stream, NO_LIMITS)()
    assert await anext(stream) == "a"
    with pytest.raises(OSError, match="the consumer's own"):
        await stream.athrow(OSError("the consumer's own"))
    assert made.breaker is not None
    assert made.breaker.state is BreakerState.CLOSED


async def test_cancellation_while_an_item_is_awaited_gives_everything_back(clock: FakeClock) -> None:
    made = guard(clock)
    source = Source(clock, ["a", 50])
    items: list[str] = []
    task = asyncio.create_task(collect(wrap_stream(made, source.stream, limits(clock))(), items))
    await clock.advance(10)
    task.cancel()
    await clock.advance(0)
    assert task.cancelled()
    assert made.bulkhead is not None
    assert made.breaker is not None
    assert (items, source.closed, made.bulkhead.in_use) == (["a"], 1, 0)
    assert made.breaker.state is BreakerState.CLOSED


async def test_a_stream_waits_in_line_for_its_slot(clock: FakeClock) -> None:
    made = guard(clock)
    assert made.bulkhead is not None
    made.bulkhead.try_enter()
    items: list[str] = []
    task = asyncio.create_task(collect(wrap_stream(made, Source(clock, ["a"]).stream, NO_LIMITS)(), items))
    await clock.advance(0)
    assert made.bulkhead.queued == 1
    made.bulkhead.leave()
    await task
    assert items == ["a"]
