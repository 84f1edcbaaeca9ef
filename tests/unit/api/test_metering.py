"""What one caller may use, with a clock that is moved by hand."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yaoki.api.v1.metering import Answering, Limits, Meter
from yaoki.errors import AgentTurnBudgetSpentError, ResourceRateLimitedError
from yaoki.llm.chain.budget import TurnBudget
from yaoki.store.contract import Spending
from yaoki.testing import FakeClock

TO_MIDNIGHT_S = 14 * 3600.0
"""From the fake clock's start."""
MOST = 50


def used(tokens: int = 0, *, usd: float | None = 0.0, estimated: bool = False) -> TurnBudget:
    budget = TurnBudget()
    budget.add_usage(0, tokens, cost_usd=usd, estimated=estimated)
    return budget


def refused(meter: Meter, tokens: int = 1, usd: float = 0.0) -> tuple[object, float | None]:
    with pytest.raises(ResourceRateLimitedError) as caught:
        meter.begin(tokens, usd)
    return caught.value.facts["code"], caught.value.retry_after_s


def test_without_limits_everything_goes_and_is_counted() -> None:
    meter = Meter(Limits(), FakeClock())
    hold = meter.begin(10_000, 0.0)
    assert meter.end(hold, used(7, usd=None, estimated=True)) == meter.today
    assert meter.today == Spending(requests=1, output_tokens=7, estimated_tokens=7, unpriced=1)


def test_a_minute_is_any_sixty_seconds() -> None:
    clock = FakeClock()
    meter = Meter(Limits(requests_per_minute=2), clock)
    for pause_s in (30.0, 29.0):
        meter.end(meter.begin(1, 0.0), used())
        clock.move(pause_s)
    assert refused(meter) == ("rate_limit_exceeded", 1.0)
    clock.move(1.0)
    meter.begin(1, 0.0)
    assert refused(meter) == ("rate_limit_exceeded", 30.0)


def test_what_an_answer_may_cost_is_held_while_it_is_under_way() -> None:
    meter = Meter(Limits(tokens_per_day=100), FakeClock())
    first = meter.begin(60, 0.0)
    meter.begin(60, 0.0)
    assert refused(meter) == ("rate_limit_exceeded", 2.0), "which may be over soon, unlike the day"
    meter.end(first, used(5))
    meter.begin(34, 0.0)
    meter.begin(1, 0.0)
    assert refused(meter)[0] == "rate_limit_exceeded"


def test_a_day_that_is_spent_ends_at_midnight() -> None:
    clock = FakeClock()
    meter = Meter(Limits(tokens_per_day=100, usd_per_day=1.0), clock)
    meter.end(meter.begin(10, 0.1), used(120))
    assert refused(meter) == ("insufficient_quota", TO_MIDNIGHT_S)
    clock.move(TO_MIDNIGHT_S - 0.5)
    assert refused(meter) == ("insufficient_quota", 1.0)
    clock.move(0.5)
    meter.begin(10, 0.1)
    assert meter.today == Spending()


def test_money_is_limited_as_tokens_are() -> None:
    meter = Meter(Limits(usd_per_day=1.0), FakeClock(), Spending(cost_usd=0.75))
    hold = meter.begin(10, 0.5)
    assert refused(meter)[0] == "rate_limit_exceeded"
    meter.end(hold, used(10, usd=0.25))
    assert refused(meter)[0] == "insufficient_quota"


def test_a_refused_request_uses_nothing_up() -> None:
    meter = Meter(Limits(requests_per_minute=2, tokens_per_day=10), FakeClock())
    hold = meter.begin(10, 0.0)
    for _ in range(5):
        refused(meter)
    meter.end(hold, used(1))
    meter.begin(9, 0.0)


def test_an_answer_that_ends_after_midnight_counts_for_the_day_it_ends_in() -> None:
    clock = FakeClock()
    meter = Meter(Limits(tokens_per_day=100), clock)
    yesterday = meter.day
    hold = meter.begin(50, 0.0)
    clock.move(TO_MIDNIGHT_S)
    meter.look_at_the_calendar()
    meter.end(hold, used(30))
    assert (meter.day > yesterday, meter.today.tokens) == (True, 30)
    meter.begin(69, 0.0)
    meter.begin(1, 0.0)
    assert refused(meter)[0] == "rate_limit_exceeded"


def test_a_further_request_of_an_answer_wants_something_left_too() -> None:
    meter = Meter(Limits(tokens_per_day=100), FakeClock())
    answering = meter.begin(40, 0.0)
    budget = TurnBudget(purse=answering)
    other = meter.begin(40, 0.0)
    budget.spend_attempt()
    budget.add_usage(30, 10)
    assert budget.spent == ""
    budget.spend_attempt()
    assert answering.tokens == 80, "what was used, and the most of the next one"
    budget.add_usage(30, 0)
    assert budget.spent == "tokens", "since the other answer may use the rest"
    with pytest.raises(AgentTurnBudgetSpentError, match="no tokens left"):
        budget.spend_attempt()
    meter.end(other, used(0))
    budget.spend_attempt()
    meter.end(answering, budget)
    assert (meter.today.tokens, meter.lacking()) == (70, "")


def test_what_was_let_in_may_begin_whatever_came_in_since() -> None:
    meter = Meter(Limits(tokens_per_day=100), FakeClock())
    budget = TurnBudget(purse=meter.begin(10, 0.0))
    meter.begin(200, 0.0)
    budget.spend_attempt()
    assert budget.spent == "tokens"


STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "ask", "end"]), st.integers(0, 9), st.integers(1, MOST)), max_size=80
)


@given(limit=st.integers(1, 200), steps=STEPS)
def test_however_many_begin_and_fail_over_at_once_a_limit_is_passed_by_one_request_at_most(
    limit: int, steps: list[tuple[str, int, int]]
) -> None:
    meter = Meter(Limits(tokens_per_day=limit), FakeClock())
    under_way: list[tuple[Answering, TurnBudget, int]] = []
    for step, which, tokens in steps:
        with suppress(ResourceRateLimitedError, AgentTurnBudgetSpentError):
            if step == "begin":
                answering = meter.begin(tokens, 0.0)
                under_way.append((answering, TurnBudget(max_attempts=99, purse=answering), tokens))
            elif step == "ask" and under_way:
                _, budget, most = under_way[which % len(under_way)]
                budget.spend_attempt()
                budget.add_usage(0, min(tokens, most))
            elif under_way:
                answering, budget, _ = under_way.pop(which % len(under_way))
                meter.end(answering, budget)
    for answering, budget, _ in under_way:
        meter.end(answering, budget)
    assert meter.today.tokens < limit + MOST
    assert meter.lacking() == ("tokens" if meter.today.tokens >= limit else ""), "nothing is held for ever"
