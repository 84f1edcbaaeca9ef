"""The circuit breaker."""

import asyncio
import tracemalloc

import pytest

from yaoki.errors import ConfigurationSettingError, ResourceBreakerOpenError
from yaoki.resilience import (
    BreakerClosed,
    BreakerHalfOpened,
    BreakerIsolated,
    BreakerOpened,
    BreakerPolicy,
    BreakerState,
    CircuitBreaker,
    Guard,
    Notices,
)
from yaoki.testing import FakeClock, FakeDependency, Heard


def tripped(clock: FakeClock, *, probes: int = 1, notices: Notices | None = None) -> CircuitBreaker:
    policy = BreakerPolicy(threshold=1, break_s=10, probes=probes)
    breaker = CircuitBreaker("dep", policy, clock=clock, notices=notices)
    breaker.admit().failed()
    return breaker


async def test_half_open_lets_one_of_fifty_through() -> None:
    clock = FakeClock()
    breaker = tripped(clock)
    dependency = FakeDependency()
    dependency.gate.clear()
    call = Guard("op", breaker=breaker, clock=clock).wrap(dependency)
    clock.move(10)
    crowd = [asyncio.create_task(call()) for _ in range(50)]
    await clock.advance(0)
    assert dependency.inside == 1
    dependency.gate.set()
    results = await asyncio.gather(*crowd, return_exceptions=True)
    assert sum(isinstance(result, ResourceBreakerOpenError) for result in results) == 49
    assert breaker.state is BreakerState.CLOSED


def test_it_opens_after_the_threshold_of_failures_in_a_row() -> None:
    breaker = CircuitBreaker("dep", BreakerPolicy(threshold=3), clock=FakeClock())
    breaker.admit().failed()
    breaker.admit().failed()
    breaker.admit().succeeded()
    for _ in range(3):
        assert breaker.state is BreakerState.CLOSED
        breaker.admit().failed()
    assert breaker.state is BreakerState.OPEN


def test_a_refusal_says_how_long_the_break_lasts() -> None:
    clock = FakeClock()
    breaker = tripped(clock)
    clock.move(4)
    with pytest.raises(ResourceBreakerOpenError) as refused:
        breaker.admit()
    assert refused.value.retry_after_s == 6
    assert refused.value.facts == {"breaker": "dep"}


def test_a_callers_error_counts_as_nothing() -> None:
    breaker = CircuitBreaker("dep", BreakerPolicy(threshold=2), clock=FakeClock())
    for _ in range(10):
        breaker.admit().ignored()
    breaker.admit().failed()
    breaker.admit().ignored()
    breaker.admit().failed()
    assert breaker.state is BreakerState.OPEN


def test_every_probe_must_succeed_before_it_closes() -> None:
    clock = FakeClock()
    breaker = tripped(clock, probes=3)
    clock.move(10)
    permits = [breaker.admit() for _ in range(3)]
    assert not breaker.admits
    permits[0].succeeded()
    permits[1].succeeded()
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.admits
    permits[2].succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_one_failed_probe_opens_it_for_another_break() -> None:
    clock = FakeClock()
    breaker = tripped(clock, probes=2)
    clock.move(10)
    first, second = breaker.admit(), breaker.admit()
    first.failed()
    second.succeeded()
    assert breaker.state is BreakerState.OPEN
    clock.move(9.9)
    assert breaker.state is BreakerState.OPEN
    clock.move(0.1)
    assert breaker.state is BreakerState.HALF_OPEN


def test_cancelled_probe_hands_its_permit_back() -> None:
    clock = FakeClock()
    breaker = tripped(clock)
    clock.move(10)
    breaker.admit().ignored()
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.admit().succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_a_probe_without_a_verdict_is_given_up_after_another_break() -> None:
    clock = FakeClock()
    breaker = tripped(clock)
    clock.move(10)
    lost = breaker.admit()
    clock.move(9)
    assert not breaker.admits
    clock.move(1)
    another = breaker.admit()
    lost.failed()
    assert breaker.state is BreakerState.HALF_OPEN
    another.succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_a_verdict_from_before_a_change_of_state_is_dropped() -> None:
    clock = FakeClock()
    breaker = CircuitBreaker("dep", BreakerPolicy(threshold=1, break_s=10), clock=clock)
    slow_success, slow_failure = breaker.admit(), breaker.admit()
    breaker.admit().failed()
    clock.move(10)
    assert breaker.state is BreakerState.HALF_OPEN
    slow_success.succeeded()
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.admit().succeeded()
    slow_failure.failed()
    assert breaker.state is BreakerState.CLOSED


def test_a_second_verdict_is_dropped() -> None:
    breaker = CircuitBreaker("dep", BreakerPolicy(threshold=2), clock=FakeClock())
    permit = breaker.admit()
    permit.failed()
    permit.failed()
    assert breaker.state is BreakerState.CLOSED
    assert repr(permit) == "<Permit spent>"


def test_isolated_stays_open_until_it_is_reset() -> None:
    clock = FakeClock()
    breaker = CircuitBreaker("dep", clock=clock)
    before = breaker.admit()
    breaker.isolate()
    clock.move(1e6)
    before.succeeded()
    with pytest.raises(ResourceBreakerOpenError) as refused:
        breaker.admit()
    assert refused.value.retry_after_s == 60
    assert repr(breaker) == "<CircuitBreaker dep isolated>"
    breaker.reset()
    breaker.admit().succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_a_share_of_failures_among_the_last_calls_trips_it() -> None:
    policy = BreakerPolicy(failure_ratio=0.5, window_calls=10, min_calls=4)
    breaker = CircuitBreaker("dep", policy, clock=FakeClock())
    for outcome in "fsf":
        breaker.admit().failed() if outcome == "f" else breaker.admit().succeeded()
    assert breaker.state is BreakerState.CLOSED, "three calls mean nothing yet"
    assert repr(breaker) == "<CircuitBreaker dep closed, 2 failed and 0 slow of 3>"
    breaker.admit().failed()
    assert breaker.state is BreakerState.OPEN


def test_calls_leave_a_window_of_calls_one_by_one() -> None:
    policy = BreakerPolicy(failure_ratio=0.75, window_calls=4, min_calls=4)
    breaker = CircuitBreaker("dep", policy, clock=FakeClock())
    for outcome in "ffssssff":
        breaker.admit().failed() if outcome == "f" else breaker.admit().succeeded()
        assert breaker.state is BreakerState.CLOSED
    breaker.admit().failed()
    assert breaker.state is BreakerState.OPEN


def test_calls_leave_a_window_of_time_as_they_grow_old() -> None:
    clock = FakeClock()
    policy = BreakerPolicy(failure_ratio=0.5, window_s=10, min_calls=4)
    breaker = CircuitBreaker("dep", policy, clock=clock)
    for _ in range(3):
        breaker.admit().failed()
    clock.move(11)
    breaker.admit().failed()
    assert breaker.state is BreakerState.CLOSED
    for _ in range(3):
        breaker.admit().failed()
    assert breaker.state is BreakerState.OPEN


def test_slow_calls_trip_it_and_a_slow_probe_does_not_close_it() -> None:
    clock = FakeClock()
    policy = BreakerPolicy(slow_ratio=1.0, slow_call_s=2, window_calls=3, min_calls=3, break_s=10)
    breaker = CircuitBreaker("dep", policy, clock=clock)
    for _ in range(3):
        permit = breaker.admit()
        clock.move(2)
        permit.succeeded()
    assert breaker.state is BreakerState.OPEN
    clock.move(10)
    probe = breaker.admit()
    clock.move(2)
    probe.succeeded()
    assert breaker.state is BreakerState.OPEN


def test_each_change_of_state_is_told_once() -> None:
    clock, notices = FakeClock(), Notices()
    heard = Heard(notices, BreakerOpened, BreakerHalfOpened, BreakerClosed, BreakerIsolated)
    breaker = tripped(clock, notices=notices)
    clock.move(10)
    breaker.admit().failed()
    clock.move(10)
    breaker.admit().succeeded()
    breaker.isolate()
    breaker.isolate()
    breaker.reset()
    breaker.reset()
    assert heard.notices == [
        BreakerOpened(name="dep", reason="consecutive_failures", break_s=10),
        BreakerHalfOpened(name="dep"),
        BreakerOpened(name="dep", reason="probe_failed", break_s=10),
        BreakerHalfOpened(name="dep"),
        BreakerClosed(name="dep"),
        BreakerIsolated(name="dep"),
        BreakerClosed(name="dep"),
    ]


def test_looking_at_it_changes_nothing() -> None:
    clock = FakeClock()
    breaker = tripped(clock)
    assert repr(breaker) == "<CircuitBreaker dep open, 10 s left>"
    generation = breaker.generation
    clock.move(10)
    assert repr(breaker) == "<CircuitBreaker dep half_open, 0 probing>"
    assert breaker.generation == generation
    assert breaker.retry_after_s == 0
    breaker.admit()
    assert repr(breaker) == "<CircuitBreaker dep half_open, 1 probing, 0 of 1 passed>"


def test_another_policy_starts_with_a_clean_memory() -> None:
    breaker = CircuitBreaker("dep", BreakerPolicy(threshold=2), clock=FakeClock())
    breaker.admit().failed()
    breaker.adopt(BreakerPolicy(threshold=1))
    assert breaker.state is BreakerState.CLOSED
    breaker.admit().failed()
    assert breaker.state is BreakerState.OPEN
    breaker.isolate()
    breaker.adopt(BreakerPolicy())
    assert breaker.state is BreakerState.ISOLATED


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0},
        {"break_s": 0},
        {"probes": 0},
        {"failure_ratio": 0},
        {"failure_ratio": 1.1},
        {"slow_ratio": 0.5},
        {"slow_call_s": 1.0},
        {"slow_ratio": 0.5, "slow_call_s": -1.0},
        {"window_calls": 0},
        {"window_s": 0},
        {"window_s": 1, "window_calls": 10},
        {"min_calls": 11, "window_calls": 10},
    ],
)
def test_a_policy_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationSettingError, match="out of range"):
        BreakerPolicy(**wrong)


def test_ten_thousand_of_them_are_cheap_to_keep() -> None:
    names = [f"dep-{number}" for number in range(10_000)]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    breakers = [CircuitBreaker(name) for name in names]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / len(breakers) <= 700
