"""Answers that break off inside a tool call: the incomplete call never runs, and the whole one runs once."""

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import UnexpectedModelBehavior

from tests.faults.chain_bench import Bench, Told
from yaoki.faults import ANSWER, Script
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain_model import ChainModel

BROKEN = ["cut_in_call", "reset_in_call", "stall_in_call", "cut_after_call", "cut_call_finished"]
HEALTHY = ["tool_call", "tool_call_at_once", "tool_call_stop"]
ARGUMENTS = {"amount": 12, "currency": "EUR"}


Charged = list[tuple[int, str]]


async def charges(bench: Bench, told: Told, charged: Charged) -> None:
    """Ask an agent that has one tool, and note what was told and what was charged."""
    agent = Agent(ChainModel(bench.chain, TurnBudget(20.0, 8), sink=told.sink))

    @agent.tool_plain
    def charge(amount: int, currency: str) -> str:
        charged.append((amount, currency))
        return "done"

    told.output = (await agent.run("Charge me.")).output


@pytest.mark.requirement("M27")
@pytest.mark.parametrize("fault", BROKEN)
async def test_a_call_that_breaks_off_is_asked_for_again_and_runs_once(fault: str) -> None:
    broken, whole = Script(fault=fault, times=1, arguments=ARGUMENTS), Script(fault="tool_call", arguments=ARGUMENTS)
    async with Bench(broken, whole) as bench:
        await charges(bench, told := Told(), charged := Charged())
    assert bench.first.fired[fault] == 1
    assert charged == [(12, "EUR")]
    assert told.output == ANSWER


@pytest.mark.requirement("M18", "M27")
async def test_a_call_that_ends_at_the_output_limit_never_runs() -> None:
    async with Bench(Script(fault="length_in_call", arguments=ARGUMENTS)) as bench:
        told, charged = Told(), Charged()
        with pytest.raises(UnexpectedModelBehavior):
            await charges(bench, told, charged)
    assert bench.first.fired["length_in_call"] == 1
    assert charged == []
    assert told.finishes in ([], ["length"])


@pytest.mark.requirement("M28")
@pytest.mark.parametrize("fault", HEALTHY)
async def test_a_healthy_call_runs_once(fault: str) -> None:
    async with Bench(Script(fault=fault, arguments=ARGUMENTS), Script()) as bench:
        await charges(bench, told := Told(), charged := Charged())
        assert bench.providers[1].requests == []
    assert charged == [(12, "EUR")]
    assert told.failovers == []
    assert told.output == ANSWER
