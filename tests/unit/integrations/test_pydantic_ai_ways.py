"""Every way in which pydantic-ai runs an agent, on the chain, under faults: as a model and as a capability."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, AgentRunResultEvent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

from tests.unit.integrations.test_pydantic_ai import QUICK, Models, models, requests_of
from yaoki.errors import ModelTruncatedError
from yaoki.faults import ANSWER, Script
from yaoki.integrations.pydantic_ai import Resilience, resilient

__all__ = ["models"]

COUNT = '{"ships": 7, "names": ["Pamir", "Passat", "Peking", "Padua", "Priwall", "Pommern", "Potosi"]}'
FAULTS = ["cut_mid_stream", "error_event", "http_500"]
AWAY = Script(prefill="ignore", instruction="talk_over", again="Here is something else altogether.")
Way = Callable[[Agent[None, Any]], Awaitable[str]]


class Count(BaseModel):
    ships: int
    names: list[str]


def agent_of(way: str, first: Any, second: Any, **more: Any) -> Agent[None, Any]:
    """The same agent by either of the two lines."""
    if way == "model":
        return Agent(resilient(first, second, policy=QUICK), **more)
    return Agent(first, capabilities=[Resilience(second, policy=QUICK)], **more)


async def run_stream(agent: Agent[None, Any]) -> str:
    async with agent.run_stream("How many ships?") as result:
        return "".join([piece async for piece in result.stream_text(delta=True, debounce_by=None)])


async def iterate(agent: Agent[None, Any]) -> str:
    said: list[str] = []
    async with agent.iter("How many ships?") as run:
        async for node in run:
            if Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as stream:
                    said += [_text(event) async for event in stream]
    assert run.result is not None
    assert run.result.output == "".join(said)
    return run.result.output


async def run_stream_events(agent: Agent[None, Any]) -> str:
    said, output = list[str](), ""
    async with agent.run_stream_events("How many ships?") as events:
        async for event in events:
            said.append(_text(event))
            if isinstance(event, AgentRunResultEvent):
                output = event.result.output
    assert output == "".join(said)
    return output


def _text(event: object) -> str:
    match event:
        case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            return text
        case _:
            return ""


WAYS: list[Way] = [run_stream, iterate, run_stream_events]


@pytest.mark.requirement("M4", "M10", "M11", "M12", "M13", "P-3")
@pytest.mark.parametrize("way", ["model", "capability"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("run", WAYS)
async def test_a_watched_run_is_whole(models: Models, run: Way, fault: str, way: str) -> None:
    agent = agent_of(way, *await models(Script(fault=fault), Script()))
    assert await run(agent) == ANSWER


@pytest.mark.requirement("P-2", "P-3")
@pytest.mark.parametrize("way", ["model", "capability"])
@pytest.mark.parametrize("run", WAYS)
async def test_a_refused_seam_raises_where_somebody_watches(models: Models, run: Way, way: str) -> None:
    agent = agent_of(way, *await models(Script(fault="cut_mid_stream"), AWAY))
    with pytest.raises(ModelTruncatedError) as raised:
        await run(agent)
    assert raised.value.facts["fault"] == "seam"


@pytest.mark.requirement("M11", "M27", "P-2")
@pytest.mark.parametrize("output", [NativeOutput(Count), PromptedOutput(Count)])
@pytest.mark.parametrize("way", ["model", "capability"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_output_that_is_text_is_whole_or_begun_again_unseen(
    models: Models, fault: str, way: str, output: Any
) -> None:
    first, second = await models(Script(fault=fault, answer=COUNT), Script(answer=COUNT))
    agent = agent_of(way, first, second, output_type=output)
    assert (await agent.run("How many ships?")).output.ships == 7
    async with agent.run_stream("How many ships?") as result:
        assert len((await result.get_output()).names) == 7


@pytest.mark.requirement("M11", "M12", "M27")
@pytest.mark.parametrize("way", ["model", "capability"])
@pytest.mark.parametrize("fault", ["cut_in_call", "reset_in_call", "stall_in_call", "cut_after_call"])
async def test_output_that_is_a_call_is_asked_for_again(models: Models, fault: str, way: str) -> None:
    arguments = {"ships": 7, "names": ["Pamir"]}
    scripts = Script(fault=fault, arguments=arguments), Script(fault="tool_call", arguments=arguments)
    agent = agent_of(way, *await models(*scripts), output_type=ToolOutput(Count))
    assert (await agent.run("How many ships?")).output == Count(ships=7, names=["Pamir"])


@pytest.mark.requirement("M27", "P-4")
@pytest.mark.parametrize("way", ["model", "capability"])
@pytest.mark.parametrize("fault", ["cut_in_call", "reset_in_call", "cut_after_call", "tool_call"])
async def test_a_tool_runs_once(models: Models, fault: str, way: str) -> None:
    arguments, charged = {"amount": 12}, list[int]()
    scripts = Script(fault=fault, times=1, arguments=arguments), Script(fault="tool_call", arguments=arguments)
    agent = agent_of(way, *await models(*scripts))

    @agent.tool_plain
    async def charge(amount: int) -> str:
        charged.append(amount)
        return "done"

    assert (await agent.run("Charge me.")).output == ANSWER
    assert charged == [12]


@pytest.mark.requirement("P-6")
@pytest.mark.parametrize("way", ["model", "capability"])
async def test_a_cancelled_run_leaves_its_model(models: Models, way: str) -> None:
    first, second = await models(Script(fault="stall_mid_stream"), Script())
    running = asyncio.create_task(agent_of(way, first, second).run("How many ships?"))
    await first.scripted.until(lambda it: it.fired["stall_mid_stream"] == 1)  # type: ignore[attr-defined]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await first.scripted.until(lambda it: it.requests[0].left)  # type: ignore[attr-defined]
    assert requests_of(second) == []


@pytest.mark.requirement("P-6")
@pytest.mark.parametrize("way", ["model", "capability"])
async def test_whoever_leaves_a_stream_ends_its_request(models: Models, way: str) -> None:
    first, second = await models(Script(token_s=0.02), Script())
    async with agent_of(way, first, second).run_stream("How many ships?") as result:
        async for _ in result.stream_text(delta=True, debounce_by=None):
            break
    await first.scripted.until(lambda it: it.requests[0].left)  # type: ignore[attr-defined]
    assert requests_of(second) == []
