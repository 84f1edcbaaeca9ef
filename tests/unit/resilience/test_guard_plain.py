"""Plain functions under the guard."""

import pytest

from yaoki.errors import (
    ConfigurationSettingError,
    ModelFilteredError,
    ResourceBreakerOpenError,
    ResourceBulkheadFullError,
)
from yaoki.resilience import (
    BreakerPolicy,
    Bulkhead,
    BulkheadPolicy,
    CallEnded,
    CircuitBreaker,
    Fallback,
    FellBack,
    Guard,
    Notices,
    Retry,
    RetryBudget,
    RetryPolicy,
    Timeout,
)
from yaoki.resilience.guard_plain import wrap_plain
from yaoki.testing import FakeClock, Heard


class Script:
    def __init__(self, *steps: object) -> None:
        self.steps = list(steps)

    def __call__(self, *_: object) -> object:
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


def make(clock: FakeClock, notices: Notices | None = None) -> Guard:
    return Guard(
        "op",
        bulkhead=Bulkhead("dep", BulkheadPolicy(max_concurrent=1), clock=clock),
        breaker=CircuitBreaker("dep", BreakerPolicy(threshold=3), clock=clock),
        retry=Retry(RetryPolicy(jitter=False), budget=RetryBudget()),
        clock=clock,
        notices=notices,
    )


def plain(guard: Guard, *steps: object) -> object:
    def call() -> object:
        return script()

    script = Script(*steps)
    return wrap_plain(guard, call)()


def test_it_is_tried_again_after_a_pause_of_its_thread() -> None:
    clock, notices = FakeClock(), Notices()
    heard = Heard(notices, CallEnded)
    assert plain(make(clock, notices), TimeoutError(), TimeoutError(), "ok") == "ok"
    assert clock.slept == [1, 2]
    assert heard.notices == [CallEnded(operation="op", outcome="succeeded", attempts=3)]


async def test_the_thread_of_an_event_loop_never_waits() -> None:
    clock = FakeClock()
    with pytest.raises(TimeoutError):
        plain(make(clock), TimeoutError(), "ok")
    assert clock.slept == []


def test_the_breaker_opens_and_the_slot_comes_back() -> None:
    clock = FakeClock()
    guard = make(clock)
    with pytest.raises(TimeoutError):
        plain(guard, TimeoutError(), TimeoutError(), TimeoutError())
    with pytest.raises(ResourceBreakerOpenError):
        plain(guard, "never")
    assert guard.bulkhead is not None
    assert guard.bulkhead.in_use == 0


def test_without_a_free_slot_it_is_refused_at_once() -> None:
    guard = make(FakeClock())
    assert guard.bulkhead is not None
    guard.bulkhead.try_enter()
    with pytest.raises(ResourceBulkheadFullError, match="no free slot"):
        plain(guard, "never")


def test_a_plain_fallback_answers() -> None:
    notices = Notices()
    heard = Heard(notices, FellBack)
    fallback = Fallback("op", Script(OSError("also")), lambda: "other", notices=notices)
    call = wrap_plain(Guard("op"), Script(OSError("first")), fallback.rescue_plain)
    assert call() == "other"
    assert heard.notices == [FellBack(operation="op", position=2)]
    with pytest.raises(ModelFilteredError):
        wrap_plain(Guard("op"), Script(ModelFilteredError("no")), fallback.rescue_plain)()


def test_a_timeout_of_a_plain_function_is_refused_when_decorating() -> None:
    with pytest.raises(ConfigurationSettingError, match="no timeout can interrupt it"):
        wrap_plain(Guard("op", timeout=Timeout(1)), len)
