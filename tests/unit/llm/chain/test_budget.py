"""One budget per turn: what it counts, and what ends it."""

import pytest

from tests.unit.llm.fakes import FakeUpstream, Line, Told, chain_of, says
from yaoki.errors import (
    AgentTurnBudgetSpentError,
    ConfigurationSettingError,
    ModelAllFailedError,
    ModelUnavailableError,
)
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.deltas import Text
from yaoki.testing import FakeClock


@pytest.mark.requirement("P-5")
async def test_steps_that_succeed_cost_no_attempt() -> None:
    chain, budget = chain_of(FakeUpstream(says("Seven ships."))), TurnBudget(max_attempts=1)
    for _ in range(5):
        await Told().hear(chain, budget)
    assert (budget.requests, budget.attempts_left) == (5, 1)


@pytest.mark.requirement("P-5")
async def test_what_failed_in_one_step_is_missing_in_the_next() -> None:
    down = FakeUpstream([ModelUnavailableError("down")])
    chain, budget = chain_of(down, FakeUpstream(says("Seven ships."))), TurnBudget(max_attempts=3)
    for _ in range(2):
        await Told().hear(chain, budget)
    assert budget.attempts_left == 1
    with pytest.raises((AgentTurnBudgetSpentError, ModelAllFailedError)):
        await Told().hear(chain, budget)


@pytest.mark.requirement("P-2", "P-5")
async def test_the_last_attempt_is_for_whoever_can_only_begin_again() -> None:
    cuts: list[list[Line]] = [[Text(f" more{number}"), Text(" x")] for number in range(9)]
    told = await Told().hear(chain_of(FakeUpstream(*cuts), other := FakeUpstream(says("Sure! Here."), says("Whole."))))
    assert told.text == "Whole."
    assert len(other.asked) == 2


@pytest.mark.requirement("P-5")
async def test_the_budget_ends_the_attempts() -> None:
    upstreams = [FakeUpstream([ModelUnavailableError("down")]) for _ in range(4)]
    with pytest.raises(ModelAllFailedError):
        await Told().hear(chain_of(*upstreams), TurnBudget(max_attempts=2))
    assert [len(upstream.asked) for upstream in upstreams] == [1, 1, 0, 0]


@pytest.mark.requirement("P-5")
async def test_a_spent_budget_starts_nothing() -> None:
    upstream = FakeUpstream(says("never"))
    budget = TurnBudget(max_attempts=1)
    budget.spend_attempt()
    with pytest.raises(AgentTurnBudgetSpentError):
        await Told().hear(chain_of(upstream), budget)
    assert not upstream.asked


async def test_an_answer_at_its_limit_is_no_whole_one() -> None:
    budget = TurnBudget(max_attempts=2)
    await Told().hear(chain_of(FakeUpstream(says("Seven", "length"))), budget)
    assert budget.attempts_left == 1


def test_each_of_the_four_ends_it() -> None:
    clock = FakeClock()
    spent = {
        "attempts": TurnBudget(max_attempts=1),
        "time": TurnBudget(deadline_s=5.0, clock=clock),
        "tokens": TurnBudget(max_tokens=100),
        "money": TurnBudget(max_cost_usd=0.01),
    }
    for budget in spent.values():
        budget.spend_attempt()
        budget.add_usage(60, 40, cost_usd=0.01)
    spent["tokens"].give_back()
    clock.move(5.0)
    for what, budget in spent.items():
        with pytest.raises(AgentTurnBudgetSpentError) as raised:
            budget.spend_attempt()
        assert raised.value.facts["spent"] == what
        assert budget.requests == 1


def test_estimates_and_unknown_prices_are_shown_as_such() -> None:
    budget = TurnBudget()
    budget.add_usage(100, 20, cost_usd=0.0005)
    budget.add_usage(90, 5, estimated=True)
    assert budget.usage() == {
        "input_tokens": 190,
        "output_tokens": 25,
        "requests": 0,
        "estimated_tokens": 95,
        "cost_microusd": 500,
        "unpriced_requests": 1,
    }


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationSettingError):
        TurnBudget(deadline_s=0.0)
    with pytest.raises(ConfigurationSettingError):
        TurnBudget(max_attempts=0)
