"""What one caller may use, with a clock that is moved by hand."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yaoki.api.metering import Hold, Limits, Meter
from yaoki.errors import ResourceRateLimitedError
from yaoki.llm.budget import TurnBudget
from yaoki.store.contract import Spending
from yaoki.testing import FakeClock

TO_MIDNIGHT_S = 14 * 3600.0
"""From the fake clock's start."""


def used(tokens: int = 0, *, usd: float | None = 0.0, estimated: bool = False) -> TurnBudget:
    budget = TurnBudget()
    budget.add_usage(0, tokens, cost_usd=usd, estimated=estimated)
    return budget


def refused(meter: Meter, tokens: int = 1, usd: float = 0.0) -> tuple[object, float | None]:
    with pytest.raises(ResourceRateLimitedError) as caught:
        meter.hold(tokens, usd)
    return caught.value.facts["code"], caught.value.retry_after_s


def test_without_limits_everything_goes_and_is_counted() -> None:
    meter = Meter(Limits(), FakeClock())
    hold = meter.hold(10_000, 0.0)
    assert (hold.tokens_left, hold.usd_left) == (None, None)
    assert meter.settle(hold, used(7, usd=None, estimated=True)) == meter.today
    assert meter.today == Spending(requests=1, output_tokens=7, estimated_tokens=7, unpriced=1)


def test_a_minute_is_any_sixty_seconds() -> None:
    clock = FakeClock()
    meter = Meter(Limits(requests_per_minute=2), clock)
    for pause_s in (30.0, 29.0):
        meter.settle(meter.hold(1, 0.0), used())
        clock.move(pause_s)
    assert refused(meter) == ("rate_limit_exceeded", 1.0)
    clock.move(1.0)
    meter.hold(1, 0.0)
    assert refused(meter) == ("rate_limit_exceeded", 30.0)


def test_what_an_answer_may_cost_is_held_while_it_is_under_way() -> None:
    meter = Meter(Limits(tokens_per_day=100), FakeClock())
    first = meter.hold(60, 0.0)
    second = meter.hold(60, 0.0)
    assert (first.tokens_left, second.tokens_left) == (100, 40)
    assert refused(meter) == ("rate_limit_exceeded", 2.0), "which may have another end than the day's"
    meter.settle(first, used(5))
    assert meter.hold(1, 0.0).tokens_left == 35


def test_a_day_that_is_spent_ends_at_midnight() -> None:
    clock = FakeClock()
    meter = Meter(Limits(tokens_per_day=100, usd_per_day=1.0), clock)
    meter.settle(meter.hold(10, 0.1), used(120))
    assert refused(meter) == ("insufficient_quota", TO_MIDNIGHT_S)
    clock.move(TO_MIDNIGHT_S - 0.5)
    assert refused(meter) == ("insufficient_quota", 1.0)
    clock.move(0.5)
    assert meter.hold(10, 0.1).tokens_left == 100


def test_money_is_limited_as_tokens_are() -> None:
    meter = Meter(Limits(usd_per_day=1.0), FakeClock(), Spending(cost_usd=0.75))
    hold = meter.hold(10, 0.5)
    assert hold.usd_left == 0.25
    assert refused(meter)[0] == "rate_limit_exceeded"
    meter.settle(hold, used(10, usd=0.25))
    assert refused(meter)[0] == "insufficient_quota"


def test_a_refused_request_uses_nothing_up() -> None:
    meter = Meter(Limits(requests_per_minute=2, tokens_per_day=10), FakeClock())
    hold = meter.hold(10, 0.0)
    for _ in range(5):
        refused(meter)
    meter.settle(hold, used(1))
    assert meter.hold(9, 0.0).tokens_left == 9


def test_an_answer_that_ends_after_midnight_counts_for_the_day_it_ends_in() -> None:
    clock = FakeClock()
    meter = Meter(Limits(tokens_per_day=100), clock)
    yesterday = meter.day
    hold = meter.hold(50, 0.0)
    clock.move(TO_MIDNIGHT_S)
    meter.look_at_the_calendar()
    meter.settle(hold, used(30))
    assert (meter.day > yesterday, meter.today.tokens) == (True, 30)
    assert meter.hold(50, 0.0).tokens_left == 70, "nothing is held for it any more"


COSTS = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50), st.booleans()), max_size=60)


@given(limit=st.integers(1, 200), answers=COSTS)
def test_however_many_come_at_once_a_limit_is_passed_by_one_answer_at_most(
    limit: int, answers: list[tuple[int, int, bool]]
) -> None:
    meter = Meter(Limits(tokens_per_day=limit), FakeClock())
    under_way: list[tuple[Hold, int]] = []

    for most, cost, ends in answers:
        with suppress(ResourceRateLimitedError):
            under_way.append((meter.hold(most, 0.0), min(cost, most)))
        if ends and under_way:
            hold, spent = under_way.pop(0)
            meter.settle(hold, used(spent))
    for hold, spent in under_way:
        meter.settle(hold, used(spent))
    assert meter.today.tokens < limit + 50
