"""Live policies by name."""

from yaoki.resilience import BreakerPolicy, BulkheadPolicy, Guards, RetryPolicy
from yaoki.testing import FakeClock


def test_the_same_name_is_the_same_breaker() -> None:
    guards = Guards(clock=FakeClock())
    first = guards.guard("one", circuit_breaker="dep", bulkhead="dep", retry="dep", timeout_s=2)
    second = guards.guard("two", circuit_breaker="dep", bulkhead="dep", retry="dep", timeout_s=2)
    assert first.breaker is second.breaker is guards.breakers.get("dep")
    assert first.bulkhead is second.bulkhead
    assert first.retry is second.retry
    assert first.timeout is second.timeout
    assert list(guards.operations) == ["one", "two"]


def test_settings_that_come_late_reach_what_was_resolved_early() -> None:
    guards = Guards(clock=FakeClock())
    guard = guards.guard("op", circuit_breaker="dep", bulkhead="dep", retry="dep")
    guards.breakers.configure(default=BreakerPolicy(threshold=7), by_name={"other": BreakerPolicy(threshold=1)})
    guards.bulkheads.configure(by_name={"dep": BulkheadPolicy(max_concurrent=3)})
    guards.retries.configure(by_name={"dep": RetryPolicy(max_attempts=9)})
    assert guard.breaker is not None
    assert guard.bulkhead is not None
    assert guard.retry is not None
    assert guard.breaker.policy.threshold == 7
    assert guard.bulkhead.policy.max_concurrent == 3
    assert guard.retry.policy.max_attempts == 9
    assert guards.breakers.get("other").policy.threshold == 1
    assert repr(guards.breakers) == "<Registry ['dep', 'other']>"


def test_a_breaker_whose_policy_stays_keeps_its_memory() -> None:
    guards = Guards(clock=FakeClock())
    breaker = guards.breakers.get("dep")
    breaker.admit().failed()
    guards.breakers.configure(by_name={"other": BreakerPolicy(threshold=1)})
    assert repr(breaker) == "<CircuitBreaker dep closed, 1 of 5 failures>"


def test_a_policy_given_on_the_spot_goes_under_the_operations_name() -> None:
    guards = Guards(clock=FakeClock())
    guard = guards.guard("op", retry=RetryPolicy(max_attempts=2))
    assert guard.retry is guards.retries.all()["op"]
    assert guard.retry is not None
    assert guard.retry.policy.max_attempts == 2


def test_live_objects_may_be_given_too() -> None:
    guards = Guards(clock=FakeClock())
    other = Guards(clock=FakeClock())
    breaker = other.breakers.get("dep")
    assert guards.guard("op", circuit_breaker=breaker).breaker is breaker
