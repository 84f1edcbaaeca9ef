"""All policies in one frame."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from yaoki.errors import (
    AIErrorContext,
    ModelFilteredError,
    ModelUnavailableError,
    ResourceBreakerOpenError,
    ResourceBulkheadFullError,
)
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
    RetryBudget,
    RetryBudgetPolicy,
    RetryPolicy,
    RetryScheduled,
    Timeout,
)
from yaoki.testing import FakeClock, FakeDependency, Heard

PATIENT = RetryPolicy(jitter=False)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def full(clock: FakeClock, *, threshold: int = 5, concurrent: int = 2, notices: Notices | None = None) -> Guard:
    return Guard(
        "op",
        bulkhead=Bulkhead("dep", BulkheadPolicy(max_concurrent=concurrent, max_queued=2000), clock=clock),
        breaker=CircuitBreaker("dep", BreakerPolicy(threshold=threshold, break_s=60), clock=clock),
        retry=Retry(PATIENT),
        timeout=Timeout(10, clock=clock),
        clock=clock,
        notices=notices,
    )


async def test_a_value_passes_with_its_arguments(clock: FakeClock) -> None:
    async def add(a: int, *, b: int) -> int:
        return a + b

    guarded = full(clock).wrap(add)
    assert await guarded(1, b=2) == 3
    assert guarded.__name__ == "add"
    assert await full(clock).call(add, 1, b=2) == 3


async def test_a_failed_attempt_is_tried_again_after_its_delay(clock: FakeClock) -> None:
    dependency = FakeDependency([TimeoutError(), ConnectionResetError(), "ok"])
    call = asyncio.create_task(full(clock).wrap(dependency)())
    await clock.advance(1)
    assert dependency.calls == 2
    await clock.advance(2)
    assert await call == "ok"
    assert clock.slept == [1, 2]


async def test_no_slot_is_held_while_a_retry_waits(clock: FakeClock) -> None:
    guard = full(clock)
    call = asyncio.create_task(guard.wrap(FakeDependency([TimeoutError()]))())
    await clock.advance(0)
    assert guard.bulkhead is not None
    assert guard.bulkhead.in_use == 0
    call.cancel()
    await clock.advance(0)
    assert call.cancelled()


async def test_the_last_error_is_raised_and_names_the_operation(clock: FakeClock) -> None:
    error = ModelUnavailableError("down", context=AIErrorContext(session_id="s1"))
    call = asyncio.create_task(full(clock).wrap(FakeDependency([error]))())
    await clock.advance(3)
    with pytest.raises(ModelUnavailableError) as raised:
        await call
    assert raised.value is error
    assert error.context == AIErrorContext(operation="op", session_id="s1")


async def test_a_callers_error_is_neither_retried_nor_counted(clock: FakeClock) -> None:
    guard = full(clock, threshold=1)
    dependency = FakeDependency([ModelFilteredError("no")])
    with pytest.raises(ModelFilteredError):
        await guard.call(dependency)
    assert dependency.calls == 1
    assert guard.breaker is not None
    assert guard.breaker.state is BreakerState.CLOSED


async def test_a_timeout_counts_against_the_dependency(clock: FakeClock) -> None:
    guard = full(clock, threshold=1)
    dependency = FakeDependency()
    dependency.gate.clear()
    call = asyncio.create_task(guard.wrap(dependency)())
    await clock.advance(11)
    assert guard.breaker is not None
    assert guard.breaker.state is BreakerState.OPEN
    with pytest.raises(ResourceBreakerOpenError):
        await call
    assert dependency.inside == 0


async def test_a_thousand_callers_of_a_dead_dependency_hardly_reach_it(clock: FakeClock) -> None:
    threshold, concurrent, probes = 5, 10, 1
    guard = full(clock, threshold=threshold, concurrent=concurrent)
    dependency = FakeDependency([ConnectionRefusedError()])
    guarded = guard.wrap(dependency)
    crowd = [asyncio.create_task(guarded()) for _ in range(1000)]
    await clock.advance(59)
    assert dependency.calls <= threshold + concurrent
    assert all(caller.done() for caller in crowd)
    again = [asyncio.create_task(guarded()) for _ in range(1000)]
    await clock.advance(60)
    await asyncio.gather(*crowd, *again, return_exceptions=True)
    assert dependency.calls <= threshold + concurrent + probes
    assert guard.bulkhead is not None
    assert guard.bulkhead.in_use == 0


async def test_nobody_joins_the_line_of_an_open_breaker(clock: FakeClock) -> None:
    guard = full(clock, concurrent=1)
    assert guard.breaker is not None
    assert guard.bulkhead is not None
    assert guard.bulkhead.try_enter()
    guard.breaker.isolate()
    with pytest.raises(ResourceBreakerOpenError):
        await guard.call(FakeDependency())
    assert guard.bulkhead.queued == 0


async def in_line(guard: Guard, clock: FakeClock) -> None:
    assert guard.bulkhead is not None
    while guard.bulkhead.try_enter():
        pass


async def nothing(guard: Guard, clock: FakeClock) -> None:
    pass


@pytest.mark.parametrize("prepare, advance_s", [(in_line, 0), (nothing, 0), (nothing, 10.5)])
async def test_cancellation_at_every_await_gives_everything_back(
    clock: FakeClock, prepare: Callable[[Guard, FakeClock], Awaitable[None]], advance_s: float
) -> None:
    guard = full(clock, threshold=100)
    assert guard.bulkhead is not None
    await prepare(guard, clock)
    held = guard.bulkhead.in_use
    dependency = FakeDependency()
    dependency.gate.clear()
    call = asyncio.create_task(guard.wrap(dependency)())
    await clock.advance(advance_s)
    call.cancel()
    await clock.advance(0)
    assert call.cancelled()
    assert (guard.bulkhead.in_use, guard.bulkhead.queued, dependency.inside) == (held, 0, 0)
    assert repr(guard.timeout) == "<Timeout 10 s, 0 open>"


async def test_a_cancelled_probe_lets_the_next_caller_probe(clock: FakeClock) -> None:
    guard = full(clock, threshold=1)
    assert guard.breaker is not None
    guard.breaker.admit().failed()
    clock.move(60)
    dependency = FakeDependency()
    dependency.gate.clear()
    probe = asyncio.create_task(guard.wrap(dependency)())
    await clock.advance(0)
    assert not guard.breaker.admits
    probe.cancel()
    await clock.advance(0)
    assert guard.breaker.admits


async def test_the_budget_counts_every_first_try(clock: FakeClock) -> None:
    budget = RetryBudget(RetryBudgetPolicy(share=0.5, reserve=3))
    budget.tokens = 0
    guard = Guard("op", retry=Retry(PATIENT, budget=budget), clock=clock)
    for _ in range(4):
        await guard.call(FakeDependency())
    assert budget.tokens == 2


async def test_what_happened_is_told_to_those_who_want_to_know(clock: FakeClock) -> None:
    notices = Notices()
    heard = Heard(notices, CallEnded, RetryScheduled)
    guard = full(clock, threshold=4, notices=notices)
    for script in (["ok"], [TimeoutError(), "ok"], [ModelFilteredError("no")], [ConnectionRefusedError()], ["late"]):
        call = asyncio.create_task(guard.wrap(FakeDependency(script))())
        await clock.advance(3)
        await asyncio.gather(call, return_exceptions=True)
    assert guard.breaker is not None
    guard.breaker.isolate()
    with pytest.raises(ResourceBreakerOpenError):
        await guard.call(FakeDependency())
    assert [(end.outcome, end.kind, end.attempts) for end in heard.of(CallEnded)] == [
        ("succeeded", None, 1),
        ("succeeded", None, 2),
        ("ignored", "model.filtered", 1),
        ("failed", "communication.unavailable", 3),
        ("succeeded", None, 1),
        ("rejected", "resource.breaker_open", 0),
    ]
    assert heard.of(RetryScheduled)[0] == RetryScheduled(
        operation="op", attempt=1, delay_s=1, kind="communication.timeout"
    )


async def test_a_full_bulkhead_does_not_count_against_the_dependency(clock: FakeClock) -> None:
    breaker = CircuitBreaker("dep", BreakerPolicy(threshold=1), clock=clock)
    bulkhead = Bulkhead("dep", BulkheadPolicy(max_concurrent=1, max_queued=0), clock=clock)
    guard = Guard("op", bulkhead=bulkhead, breaker=breaker, clock=clock)
    bulkhead.try_enter()
    with pytest.raises(ResourceBulkheadFullError):
        await guard.call(FakeDependency())
    assert breaker.state is BreakerState.CLOSED


async def test_slow_calls_are_measured_by_the_guards_clock(clock: FakeClock) -> None:
    policy = BreakerPolicy(slow_ratio=1.0, slow_call_s=3, window_calls=1, min_calls=1)
    breaker = CircuitBreaker("dep", policy, clock=clock)
    dependency = FakeDependency()
    dependency.gate.clear()
    call = asyncio.create_task(Guard("op", breaker=breaker, clock=clock).wrap(dependency)())
    await clock.advance(3)
    dependency.gate.set()
    assert await call == "ok"
    assert breaker.state is BreakerState.OPEN


def test_a_guard_reads_as_what_it_does(clock: FakeClock) -> None:
    assert repr(Guard("op", timeout=Timeout(1))) == "<Guard op <Timeout 1 s, 0 open>>"
