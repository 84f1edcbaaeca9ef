"""Somebody's own pydantic-ai agent on the chain, over real sockets: as a model and as a capability."""

import asyncio
import runpy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.providers.openai import OpenAIProvider

from yaoki.errors import (
    AgentTurnBudgetSpentError,
    ConfigurationSettingError,
    ModelAllFailedError,
    ModelTruncatedError,
)
from yaoki.faults import ANSWER, Script, ScriptedProvider
from yaoki.integrations.pydantic_ai import Resilience, RunLimits, resilient
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import CandidatePolicy
from yaoki.llm.chain.chain import ChainPolicy
from yaoki.llm.chain.notices import FailedOver
from yaoki.resilience.ambient import ambient_budget, spending
from yaoki.resilience.notices import Notices

QUICK = CandidatePolicy(first_token_timeout_s=1.0, idle_timeout_s=0.5)
Models = Callable[..., Awaitable[list[OpenAIChatModel]]]
HEALED = [
    "cut_mid_stream",
    "done_without_finish",
    "reset_mid_stream",
    "error_event",
    "stall_mid_stream",
    "comments_only",
    "html",
    "empty",
    "http_500",
    "rate_limited",
    "refused",
]


@pytest.fixture
async def models() -> AsyncIterator[Models]:
    """Makes pydantic-ai models as a user would, each on a scripted provider of its own."""
    async with AsyncExitStack() as stack:

        async def make(*scripts: Script) -> list[OpenAIChatModel]:
            made: list[OpenAIChatModel] = []
            for number, script in enumerate(scripts):
                provider = await stack.enter_async_context(ScriptedProvider(script))
                openai = OpenAIProvider(base_url=provider.base_url, api_key="none")
                model = await stack.enter_async_context(OpenAIChatModel(f"m{number}", provider=openai))
                model.scripted = provider  # type: ignore[attr-defined] - for the tests that look at its requests
                made.append(model)
            return made

        yield make


def requests_of(model: Any) -> list[Any]:
    return [request for request in model.scripted.requests if request.kind != "probe"]


@pytest.mark.requirement("P-2", "P-3")
@pytest.mark.parametrize("way", ["model", "capability"])
@pytest.mark.parametrize("fault", HEALED)
async def test_an_agent_gets_the_whole_answer(models: Models, fault: str, way: str) -> None:
    first, second = await models(Script(fault=fault, pause_s=0.1), Script())
    agent = (
        Agent(resilient(first, second, policy=QUICK))
        if way == "model"
        else Agent(first, capabilities=[Resilience(second, policy=QUICK)])
    )
    assert (await agent.run("How many ships?")).output == ANSWER
    assert len(requests_of(first)) == (fault != "refused")


@pytest.mark.requirement("P-2", "P-3")
async def test_a_stream_goes_on_from_the_last_word_shown(models: Models) -> None:
    agent = Agent(resilient(*await models(Script(fault="cut_mid_stream"), Script()), policy=QUICK))
    async with agent.run_stream("How many ships?") as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    assert "".join(pieces) == ANSWER
    assert len(pieces) > 2


@pytest.mark.requirement("P-2", "P-3")
async def test_a_stream_that_nobody_can_continue_raises(models: Models) -> None:
    away = Script(prefill="ignore", instruction="talk_over", again="Here is something else altogether.")
    agent = Agent(resilient(*await models(Script(fault="cut_mid_stream"), away), policy=QUICK))
    shown: list[str] = []

    async def read() -> None:
        async with agent.run_stream("How many ships?") as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                shown[:] = [*shown, piece]

    with pytest.raises(ModelTruncatedError) as raised:
        await read()
    assert raised.value.facts["fault"] == "seam"
    assert shown
    assert ANSWER.startswith("".join(shown))


async def test_a_run_that_nobody_watches_begins_such_an_answer_again(models: Models) -> None:
    away = Script(prefill="ignore", instruction="talk_over")
    agent = Agent(resilient(*await models(Script(fault="cut_mid_stream"), away), policy=QUICK))
    assert (await agent.run("How many ships?")).output == ANSWER


async def test_output_that_must_parse_is_never_joined(models: Models) -> None:
    class Count(BaseModel):
        ships: int
        names: list[str]

    answer = '{"ships": 7, "names": ["Pamir", "Passat", "Peking", "Padua", "Priwall", "Pommern", "Potosi"]}'
    cut = Script(fault="cut_mid_stream", answer=answer)
    agent = Agent(resilient(*await models(cut, Script(answer=answer)), policy=QUICK), output_type=NativeOutput(Count))
    async with agent.run_stream("How many ships?") as result:
        assert (await result.get_output()).ships == 7


async def test_nobody_left_is_one_error_of_ours(models: Models) -> None:
    agent = Agent(resilient(*await models(Script(fault="http_500"), Script(fault="html")), policy=QUICK))
    with pytest.raises(ModelAllFailedError) as raised:
        await agent.run("How many ships?")
    assert {attempt["kind"] for attempt in raised.value.facts["attempts"]} == {"model.unavailable", "model.malformed"}


@pytest.mark.requirement("P-5")
@pytest.mark.parametrize("way", ["model", "capability"])
async def test_a_run_has_one_budget_that_its_tools_draw_from_too(models: Models, way: str) -> None:
    limits = RunLimits(max_attempts=1)
    first, second = await models(Script(fault="tool_call"), Script())
    agent: Agent = (
        Agent(resilient(first, second, policy=QUICK, limits=limits))
        if way == "model"
        else Agent(first, capabilities=[Resilience(second, policy=QUICK, limits=limits)])
    )
    seen: list[Any] = []

    @agent.tool_plain
    def count() -> int:
        seen.append(ambient_budget())
        return 7

    async with AsyncExitStack() as outer:
        outer.enter_context(spending(budget := TurnBudget(30.0, 4)))
        assert (await agent.run("How many ships?")).output == ANSWER
    assert seen == [budget]
    assert budget.requests == 2
    assert (await agent.run("How many ships?")).output == ANSWER
    assert isinstance(seen[1], TurnBudget)
    assert seen[1] is not budget
    assert ambient_budget() is None


async def test_every_run_begins_with_a_budget_of_its_own(models: Models) -> None:
    [only] = await models(Script(fault="http_500"))
    agent = Agent(resilient(only, policy=QUICK, limits=RunLimits(max_attempts=1)))
    for count in (1, 2):
        with pytest.raises((ModelAllFailedError, AgentTurnBudgetSpentError)):
            await agent.run("How many ships?")
        assert len(requests_of(only)) == count


async def test_a_capability_serves_an_agent_without_a_model(models: Models) -> None:
    agent = Agent(capabilities=[Resilience(*await models(Script(fault="cut_mid_stream"), Script()), policy=QUICK)])
    assert (await agent.run("How many ships?")).output == ANSWER
    async with agent, agent.run_stream("How many ships?") as result:
        assert await result.get_output() == ANSWER


async def test_failovers_are_told(models: Models) -> None:
    notices, told = Notices(), list[FailedOver]()
    notices.subscribe(FailedOver, told.append)
    agent = Agent(resilient(*await models(Script(fault="http_500"), Script()), policy=QUICK, notices=notices))
    await agent.run("How many ships?")
    assert [(notice.from_model, notice.to_model) for notice in told] == [("openai:m0", "openai:m1")]


@pytest.mark.parametrize("way", ["model", "capability"])
async def test_another_event_loop_gets_connections_of_its_own(way: str) -> None:
    async with ScriptedProvider(Script(fault="cut_mid_stream")) as cut, ScriptedProvider(Script()) as whole:
        first, second = (
            OpenAIChatModel(name, provider=OpenAIProvider(base_url=provider.base_url, api_key="none"))
            for name, provider in (("first", cut), ("second", whole))
        )
        if way == "model":
            agent = Agent(resilient(first, second, policy=QUICK))
        else:
            agent = Agent(first, capabilities=[Resilience(second, policy=QUICK)])
        for _ in range(3):
            assert await asyncio.to_thread(lambda: asyncio.run(_run_and_close(agent, first, second))) == ANSWER


async def _run_and_close(agent: Agent, first: OpenAIChatModel, second: OpenAIChatModel) -> str:
    try:
        return (await agent.run("How many ships?")).output
    finally:
        await first.client.close()
        await second.client.close()


def test_no_model_or_the_same_one_twice_is_refused() -> None:
    with pytest.raises(ConfigurationSettingError):
        resilient()
    with pytest.raises(ConfigurationSettingError):
        resilient(model := TestModel(), model)


def test_the_same_model_at_two_providers_is_two() -> None:
    model = resilient(TestModel(), TestModel(), TestModel())
    assert [candidate.name for candidate in model.chain.candidates] == ["test:test", "test:test#2", "test:test#3"]


@pytest.mark.requirement("M18")
@pytest.mark.parametrize("ends, whole", [(None, False), (ChainPolicy(on_output_limit="continue"), True)])
async def test_an_answer_at_its_limit_says_so_or_goes_on(
    models: Models, ends: ChainPolicy | None, *, whole: bool
) -> None:
    [only] = await models(Script(fault="length", at=166, times=1))
    result = await Agent(resilient(only, policy=QUICK, ends=ends)).run("How many ships?")
    assert (result.output == ANSWER) == whole
    assert result.response.finish_reason == ("stop" if whole else "length")
    limited = Agent(resilient(only, policy=QUICK, ends=ends), model_settings={"max_tokens": 40})
    await only.scripted.play(Script(fault="length", at=166))  # type: ignore[attr-defined]
    assert (await limited.run("How many ships?")).output == ANSWER[:166]  # a limit of one's own is kept


async def test_the_example_runs_as_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).parents[3] / "examples" / "pydantic_ai_agent.py"
    assert await runpy.run_path(str(path))["main"](()) == ANSWER
    told = capsys.readouterr().out
    assert "[openai:first → openai:second]" in told
    assert told.replace("[openai:first → openai:second]", "").strip() == ANSWER
