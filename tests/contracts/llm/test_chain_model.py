"""An agent on the chain, over real sockets: cuts, crashes, tools, cancellation, and what is left behind."""

import asyncio
import gc
import json
import random
from collections.abc import Callable
from typing import Any, Self

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ThinkingPart, ToolCallPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters

from yaoki.errors import ModelAllFailedError
from yaoki.faults import ANSWER, Script, ScriptedProvider
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain_model import ChainModel
from yaoki.llm.deltas import Continuation, Failover, Finish, Item, Restart, Text, ToolCall, Usage
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.resilience.breaker import CircuitBreaker

QUESTION = [ModelRequest(parts=[UserPromptPart("Tell me.")])]


class Stage:
    """Two scripted providers, a chain over them, and what the sink heard."""

    def __init__(self, first: Script, second: Script | None = None) -> None:
        self.first, self.second = ScriptedProvider(first), ScriptedProvider(second or Script())
        self.heard: list[Item] = []
        self.chain: Chain

    async def __aenter__(self) -> Self:
        await self.first.start()
        await self.second.start()
        policy = CandidatePolicy(first_token_timeout_s=2.0, idle_timeout_s=1.0)
        self.chain = Chain(
            [
                Candidate(
                    name=name,
                    upstream=openai_upstream(model=name, base_url=provider.base_url),
                    breaker=CircuitBreaker(name),
                    policy=policy,
                )
                for name, provider in (("first", self.first), ("second", self.second))
            ],
            rng=random.Random(1),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.chain.aclose()
        await self.first.aclose()
        await self.second.aclose()

    async def sink(self, item: Item) -> None:
        self.heard.append(item)

    def model(self, **asked: Any) -> ChainModel:
        return ChainModel(self.chain, TurnBudget(), sink=self.sink, **asked)

    @property
    def text(self) -> str:
        return "".join(item.text for item in self.heard if isinstance(item, Text))


async def drive(agent: Agent, prompt: str = "Tell me.") -> list[ModelResponse]:
    """Run the agent as a turn does: node by node, each request streamed."""
    async with agent.iter(prompt) as run:
        async for node in run:
            if Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as stream:
                    async for _ in stream:
                        pass
    assert run.result is not None
    return [message for message in run.result.all_messages() if isinstance(message, ModelResponse)]


@pytest.mark.requirement("M11", "P-3")
async def test_a_cut_answer_is_one_answer_to_the_agent_and_to_the_person() -> None:
    async with Stage(Script(fault="cut_mid_stream")) as stage:
        [response] = await drive(Agent(stage.model()))
    assert response.parts == [TextPart(ANSWER)]
    assert response.finish_reason == "stop"
    assert response.model_name == "second"
    assert stage.text == ANSWER
    kinds = [type(item) for item in stage.heard if not isinstance(item, Text)]
    assert kinds == [Usage, Failover, Continuation, Usage, Finish]
    cut, rest = (item for item in stage.heard if isinstance(item, Usage))
    assert (cut.estimated, rest.estimated) == (True, False)
    assert response.usage.output_tokens == cut.output_tokens + rest.output_tokens


@pytest.mark.requirement("P-3")
async def test_an_answer_from_before_a_crash_is_in_the_response_and_not_told_again() -> None:
    half = ANSWER[: ANSWER.index(" of oranges")]
    async with Stage(Script()) as stage:
        [response] = await drive(Agent(stage.model(resume_text=half)))
    assert response.parts == [TextPart(ANSWER)]
    assert half + stage.text == ANSWER


@pytest.mark.requirement("P-3")
async def test_an_answer_from_before_a_crash_survives_another_cut() -> None:
    half = ANSWER[: ANSWER.index(" of oranges")]
    async with Stage(Script(fault="cut_mid_stream", at=40)) as stage:
        [response] = await drive(Agent(stage.model(resume_text=half)))
    assert response.parts == [TextPart(ANSWER)]
    assert half + stage.text == ANSWER


async def test_a_restart_empties_what_the_agent_got() -> None:
    script = Script(prefill="talk_over", instruction="talk_over")
    async with Stage(Script(fault="cut_mid_stream", prefill="talk_over", instruction="talk_over"), script) as stage:
        [response] = await drive(Agent(stage.model()))
    assert response.parts == [TextPart(ANSWER)]
    assert sum(isinstance(item, Restart) for item in stage.heard) == 1


@pytest.mark.requirement("M27")
async def test_a_call_that_was_cut_runs_once_and_an_answer_follows() -> None:
    ran: list[int] = []
    first, second = (
        Script(fault=name, tool="charge", arguments={"amount": 12}) for name in ("cut_in_call", "tool_call")
    )
    async with Stage(first, second) as stage:
        agent = Agent(stage.model())

        @agent.tool_plain
        def charge(amount: int) -> str:
            ran.append(amount)
            return "done"

        responses = await drive(agent)
    assert ran == [12]
    [call] = [part for response in responses for part in response.parts if isinstance(part, ToolCallPart)]
    [told] = [item for item in stage.heard if isinstance(item, ToolCall)]
    assert call.tool_call_id == told.call_id
    assert json.loads(told.arguments) == {"amount": 12}
    assert responses[0].finish_reason == "tool_call"
    assert responses[-1].text == ANSWER


@pytest.mark.parametrize("fault,reason", [("length", "length"), ("filtered", "content_filter")])
async def test_the_finish_reason_reaches_the_agent(fault: str, reason: str) -> None:
    async with Stage(Script(fault=fault)) as stage:
        [response] = await drive(Agent(stage.model()))
    assert response.finish_reason == reason
    assert ANSWER.startswith(response.text or "nothing")


async def test_reasoning_is_kept_for_its_provider_and_dropped_with_its_attempt() -> None:
    async with Stage(Script(fault="cut_after_reasoning"), Script(fault="reasoning_first", pause_s=0.01)) as stage:
        [response] = await drive(Agent(stage.model()))
    [thinking] = [part for part in response.parts if isinstance(part, ThinkingPart)]
    assert thinking.provider_name == "openai"
    assert thinking.id == "reasoning_content"
    assert response.text == ANSWER


@pytest.mark.requirement("M25")
async def test_when_all_fail_the_error_comes_out_unwrapped() -> None:
    async with Stage(Script(fault="http_500"), Script(fault="unauthorized")) as stage:
        with pytest.raises(ModelAllFailedError) as failed:
            await drive(Agent(stage.model()))
    attempts: Any = failed.value.facts["attempts"]
    assert {attempt["kind"] for attempt in attempts} == {"model.unavailable", "model.authentication"}


async def test_what_the_sink_raises_ends_the_request_and_comes_out() -> None:
    class DiskFullError(Exception):
        pass

    async def full(_: Item) -> None:
        raise DiskFullError

    async with Stage(Script(token_s=0.01)) as stage:
        with pytest.raises(DiskFullError):
            await drive(Agent(ChainModel(stage.chain, TurnBudget(), sink=full)))
        await _until(lambda: stage.first.requests[0].left)


async def test_a_request_without_streaming_is_watched_all_the_same() -> None:
    async with Stage(Script(fault="cut_mid_stream")) as stage:
        result = await Agent(stage.model()).run("Tell me.")
    assert result.output == ANSWER


async def test_json_output_is_held_and_begun_again_unseen() -> None:
    whole = json.dumps({"ships": [1, 2, 3], "night": "long"})
    async with Stage(Script(answer=whole, fault="cut_mid_stream"), Script(answer=whole)) as stage:
        [response] = await drive(Agent(stage.model(hold_text=True)))
    assert response.text == whole
    assert [item.text for item in stage.heard if isinstance(item, Text)] == [whole]


async def test_cancelling_the_task_ends_the_request_at_the_provider() -> None:
    async with Stage(Script(fault="stall_mid_stream")) as stage:
        task = asyncio.create_task(drive(Agent(stage.model())))
        await _until(lambda: bool(stage.text))
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        await _until(lambda: stage.first.requests[0].left)
        assert stage.chain.candidates[0].healthy


async def test_cancelling_the_stream_ends_the_request_at_the_provider() -> None:
    async with Stage(Script(token_s=0.01)) as stage:
        async with stage.model().request_stream(QUESTION, None, ModelRequestParameters()) as response:
            async for _ in response:
                await response.cancel()
        assert response.get().state == "interrupted"
        await _until(lambda: stage.first.requests[0].left)


LEAVING = ("cut_mid_stream", "stall_mid_stream", "endless_reasoning", "left_open", "trickling_head")


@pytest.mark.parametrize("fault", LEAVING)
async def test_no_task_and_no_connection_is_left(fault: str) -> None:
    async with Stage(Script(fault=fault, pause_s=0.05)) as stage:
        await drive(Agent(stage.model()))
        await stage.chain.aclose()
        gc.collect()
        await _until(lambda: not [task for task in asyncio.all_tasks() if "yaoki/llm" in str(task.get_stack())])
        await _until(lambda: all(request.ended_at is not None for request in stage.first.requests))


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not true():
            await asyncio.sleep(0.005)
