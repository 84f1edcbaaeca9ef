"""What a turn spends is counted, bounded and kept with its end."""

import pytest

from tests.unit.turns.conftest import Begin
from tests.unit.turns.instance import Instance, end_of
from yaoki.faults.script import Script
from yaoki.resilience.ambient import ambient_budget
from yaoki.store.events import TurnEnded


def priced(instance: Instance) -> None:
    """A thousandth of a dollar for every thousand tokens, of whatever kind."""
    for candidate in instance.chain.candidates:
        candidate.price = lambda asked, said: (asked + said) / 1_000_000


@pytest.mark.requirement("P-5")
async def test_the_end_of_a_turn_says_what_it_has_cost(begin: Begin) -> None:
    instance = await begin(Script())
    priced(instance)
    usage = end_of(await instance.ask(await instance.session())).usage
    assert usage["requests"] == 1
    assert usage["cost_microusd"] == usage["input_tokens"] + usage["output_tokens"] > 50
    assert "estimated_tokens" not in usage


@pytest.mark.requirement("P-5")
async def test_what_a_cut_attempt_used_is_estimated_and_shown_as_such(begin: Begin) -> None:
    instance = await begin(Script(fault="cut_mid_stream", at=200), Script())
    priced(instance)
    usage = end_of(await instance.ask(await instance.session())).usage
    assert 200 / 5 < usage["estimated_tokens"] < 200 / 3
    assert usage["output_tokens"] > usage["estimated_tokens"]
    assert usage["cost_microusd"] == usage["input_tokens"] + usage["output_tokens"]


async def test_a_refusal_costs_nothing(begin: Begin) -> None:
    instance = await begin(Script(fault="http_503"), Script(fault="refused"))
    usage = end_of(await instance.ask(await instance.session())).usage
    assert (usage["input_tokens"], usage["output_tokens"]) == (0, 0)


@pytest.mark.requirement("P-5")
@pytest.mark.parametrize("limits", [{"max_tokens": 30}, {"max_cost_usd": 0.00003}], ids=["tokens", "money"])
async def test_a_turn_that_has_spent_enough_tries_nobody_else(begin: Begin, limits: dict[str, float]) -> None:
    instance = await begin(Script(fault="cut_mid_stream", at=200), Script(), **limits)
    priced(instance)
    end = end_of(await instance.ask(await instance.session()))
    assert (end.outcome, end.kind) == ("failed", "model.all_failed")
    assert [request.kind for request in instance.providers[1].requests if request.kind != "probe"] == []


@pytest.mark.requirement("P-5")
async def test_whatever_runs_inside_a_turn_draws_from_its_budget(begin: Begin) -> None:
    instance = await begin(Script())
    seen: list[object] = []
    price = lambda _asked, _said: seen.append(ambient_budget())  # noqa: E731 - called in the middle of the turn
    instance.chain.candidates[0].price = price
    events = await instance.ask(await instance.session())
    assert isinstance(events[-1], TurnEnded)
    assert seen
    assert seen[0] is not None
    assert ambient_budget() is None
