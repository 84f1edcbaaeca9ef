"""Models in this process: the short way of a plain answer, and what happens when it is not plain."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ContentFilterError, ModelHTTPError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentedModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.usage import RequestUsage

from yaoki.errors import AgentTurnBudgetSpentError, ModelAllFailedError
from yaoki.integrations.pydantic_ai import Resilience, ResilientModel, RunLimits, resilient
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import CandidatePolicy
from yaoki.llm.chain.notices import AttemptFailed, FailedOver, FirstToken
from yaoki.llm.chain_model import ChainModel
from yaoki.llm.deltas import Failover, Finish, Item, Text, ToolCall, Usage
from yaoki.llm.upstreams.in_process import can_answer_whole, can_stream, in_process
from yaoki.resilience.ambient import spending
from yaoki.resilience.notices import Notices

GOOD = "Seven ships lie in the harbour."
ASKED: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart("How many ships?")])]
PLAIN = ModelRequestParameters()
QUICK = CandidatePolicy(first_token_timeout_s=0.2, idle_timeout_s=0.2)


def saying(*parts: Any, name: str = "first", **facts: Any) -> FunctionModel:
    async def answer(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(part) if isinstance(part, str) else part for part in parts], **facts)

    return FunctionModel(answer, model_name=name)


def failing(error: Exception) -> FunctionModel:
    def answer(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        raise error

    return FunctionModel(answer, model_name="first")


def acting(act: Callable[[], Awaitable[object]]) -> FunctionModel:
    async def answer(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        await act()
        return ModelResponse(parts=[TextPart("Too late.")])

    return FunctionModel(answer, model_name="first")


async def ask(model: Model) -> ModelResponse:
    return await model.request(ASKED, None, PLAIN)


def second(model: Model) -> Model:
    """A standby for `model`, which is well."""
    return resilient(model, saying(GOOD, name="second"), policy=QUICK)


async def test_a_plain_answer_is_the_models_own_under_the_candidates_name() -> None:
    thought = ThinkingPart("Let me count.", signature="signed")
    model = resilient(saying(thought, GOOD, usage=RequestUsage(input_tokens=3, output_tokens=5)), TestModel())
    response = await ask(model)
    assert response.parts == [thought, TextPart(GOOD)]
    assert (response.model_name, response.finish_reason) == ("function:first", "stop")
    assert response.usage == RequestUsage(input_tokens=3, output_tokens=5)


@pytest.mark.parametrize("way", ["run", "run_stream"])
async def test_a_model_without_a_stream_function_answers(way: str) -> None:
    agent = Agent(resilient(saying(GOOD), TestModel()))
    if way == "run":
        assert (await agent.run("How many ships?")).output == GOOD
    else:
        async with agent.run_stream("How many ships?") as result:
            assert await result.get_output() == GOOD


async def test_a_model_with_nothing_but_a_stream_function_answers() -> None:
    async def answer(_messages: list[ModelMessage], _info: AgentInfo) -> AsyncIterator[str]:
        yield GOOD

    assert (await ask(resilient(FunctionModel(stream_function=answer), TestModel()))).text == GOOD


async def test_a_model_of_somebodys_own_that_cannot_stream_answers() -> None:
    class Own(Model):
        model_name, system = "own", "nobody"  # pyright: ignore[reportAssignmentType]

        async def request(self, *_: object) -> ModelResponse:
            return ModelResponse(parts=[TextPart(GOOD)])

    assert (await ask(resilient(Own(), TestModel()))).text == GOOD


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize(
    "first",
    [
        failing(ModelHTTPError(503, "first")),
        failing(ModelHTTPError(429, "first")),
        failing(ConnectionError("away")),
        failing(ContentFilterError("no")),
        saying(),
        saying("  \n\u200b"),
        saying(ThinkingPart("Let me think.")),
        saying("Seven sh", state="incomplete"),
        saying(ToolCallPart("count", {})),
        saying("so " * 20_000),
        saying("x", finish_reason="error"),
    ],
    ids=["503", "429", "lost", "refused", "nothing", "blank", "thought", "cut", "unasked", "loop", "broken"],
)
async def test_what_is_no_answer_is_failed_over(first: FunctionModel) -> None:
    async def answer(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(GOOD)])

    heard: list[object] = []
    notices = Notices()
    for kind in (AttemptFailed, FailedOver):
        notices.subscribe(kind, heard.append)
    model = resilient(first, FunctionModel(answer, model_name="second"), policy=QUICK, notices=notices)
    response = await ask(model)
    assert GOOD in (response.text or "")
    assert response.model_name == "function:second"
    assert [type(notice) for notice in heard] == [AttemptFailed, FailedOver]


@pytest.mark.parametrize("way", ["run", "run_stream"])
async def test_a_fallback_model_that_has_nobody_left_is_failed_over(way: str) -> None:
    first = FallbackModel(failing(ModelHTTPError(503, "a")), failing(ModelHTTPError(429, "b")))
    agent = Agent(resilient(first, TestModel(custom_output_text=GOOD)))
    if way == "run":
        assert (await agent.run("How many ships?")).output == GOOD
    else:
        async with agent.run_stream("How many ships?") as result:
            assert await result.get_output() == GOOD


async def test_an_answer_at_its_limit_or_filtered_says_so() -> None:
    for reason in ("length", "content_filter"):
        response = await ask(resilient(saying("Seven ships", finish_reason=reason), TestModel()))
        assert (response.text, response.finish_reason) == ("Seven ships", reason)


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize("kind", ["coroutine", "thread"])
async def test_a_hung_function_is_left_at_its_deadline(kind: str) -> None:
    released, left = threading.Event(), asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    def block(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        released.wait(20)
        return ModelResponse(parts=[TextPart("Too late.")])

    first = acting(hang) if kind == "coroutine" else FunctionModel(block, model_name="first")
    try:
        assert (await ask(second(first))).text == GOOD
        assert left.is_set() == (kind == "coroutine")
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()
    finally:
        released.set()


async def test_a_turn_that_ends_first_is_its_deadline() -> None:
    with pytest.raises(ModelAllFailedError) as failed:
        await ask(resilient(acting(asyncio.Event().wait), TestModel(), limits=RunLimits(deadline_s=0.05)))
    assert failed.value.facts["attempts"] == [{"model": "function:first", "kind": "model.timeout"}]


async def test_a_caller_that_is_cancelled_ends_the_request_and_blames_nobody() -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    model = resilient(acting(hang), TestModel())
    task = asyncio.create_task(ask(model))
    await asyncio.wait_for(asked.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left.is_set()
    assert model.chain.candidates[0].calm


async def test_a_fault_of_the_functions_own_is_nobodys_failover() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        await ask(second(failing(RuntimeError("a bug"))))


async def test_a_breaker_opens_and_the_second_is_asked_at_once() -> None:
    asked = 0

    async def refuse() -> None:
        nonlocal asked
        asked += 1
        raise ModelHTTPError(503, "first")

    model = second(acting(refuse))
    for _ in range(12):
        assert (await ask(model)).text == GOOD
    assert isinstance(model, ResilientModel)
    assert not model.chain.candidates[0].breaker.admits
    assert asked < 12


async def test_the_short_way_draws_on_the_budget_of_the_run() -> None:
    budget = TurnBudget(max_attempts=2)
    model = resilient(saying(GOOD, usage=RequestUsage(input_tokens=3, output_tokens=5)), TestModel())
    with spending(budget):
        for _ in range(3):
            await ask(model)
    assert (budget.requests, budget.attempts_left, budget.input_tokens, budget.output_tokens) == (3, 2, 9, 15)
    with spending(TurnBudget(max_tokens=1)):
        await ask(model)
        with pytest.raises(AgentTurnBudgetSpentError):
            await ask(model)


async def test_a_sink_hears_the_same_as_of_a_stream() -> None:
    call = ToolCallPart("final_result", {"what": "ships"}, tool_call_id="1")
    chain = resilient(saying(GOOD, call, usage=RequestUsage(input_tokens=3, output_tokens=5)), TestModel()).chain
    heard: list[Item] = []

    async def sink(item: Item) -> None:
        heard.append(item)

    agent = Agent(ChainModel(chain, TurnBudget(), sink=sink), output_type=count)
    assert (await agent.run("How many ships?")).output == "ships"
    calls = [item for item in heard if isinstance(item, ToolCall)]
    assert [type(item) for item in heard] == [Text, ToolCall, Usage, Finish]
    assert calls[0].call_id.startswith("call_")
    assert not any(isinstance(item, Failover) for item in heard)


def count(what: str) -> str:
    return what


async def test_each_call_of_a_tool_has_an_id_of_its_own_and_the_models_object_is_left_alone() -> None:
    shared = ModelResponse(parts=[ToolCallPart("count", {"what": "ships"}, tool_call_id="1")])

    async def answer(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return shared if len(messages) < 4 else ModelResponse(parts=[TextPart(GOOD)])

    agent = Agent(resilient(FunctionModel(answer, model_name="first"), TestModel()), tools=[count])
    messages = (await agent.run("How many ships?")).all_messages()
    calls = [
        call.tool_call_id for message in messages if isinstance(message, ModelResponse) for call in message.tool_calls
    ]
    assert len(set(calls)) == len(calls) == 2
    assert shared.tool_calls[0].tool_call_id == "1"


async def test_a_first_token_is_told_where_somebody_listens() -> None:
    heard: list[FirstToken] = []
    notices = Notices()
    notices.subscribe(FirstToken, heard.append)
    await ask(resilient(saying(GOOD), TestModel(), notices=notices))
    assert [notice.model for notice in heard] == ["function:first"]


async def test_a_capability_goes_the_same_way() -> None:
    agent = Agent(saying(GOOD), capabilities=[Resilience(TestModel())])
    assert (await agent.run("How many ships?")).output == GOOD


async def _stream(_messages: list[ModelMessage], _info: AgentInfo) -> AsyncIterator[str]:
    yield GOOD


class _Foreign(Model):
    model_name, system = "foreign", "nobody"  # pyright: ignore[reportAssignmentType]

    async def request(self, *_: object) -> ModelResponse:
        return ModelResponse(parts=[TextPart(GOOD)])


@pytest.mark.parametrize(
    "model, known",
    [
        (TestModel(), (True, True, True)),
        (saying(GOOD), (True, False, True)),
        (FunctionModel(stream_function=_stream), (True, True, False)),
        (WrapperModel(InstrumentedModel(TestModel())), (True, True, True)),
        (FallbackModel(TestModel(), saying(GOOD)), (True, False, True)),
        (FallbackModel(TestModel(), _Foreign()), (False, False, True)),
        (_Foreign(), (False, False, True)),
        (resilient(TestModel()), (False, True, True)),
    ],
    ids=["test", "function", "stream", "wrapped", "fallback", "mixed", "foreign", "resilient"],
)
def test_what_is_known_of_a_model(model: Model, known: tuple[bool, bool, bool]) -> None:
    assert (in_process(model), can_stream(model), can_answer_whole(model)) == known


@pytest.mark.parametrize("wrap", [InstrumentedModel, WrapperModel, FallbackModel])
@pytest.mark.parametrize("way", ["run", "run_stream"])
async def test_what_wraps_such_a_model_is_one(wrap: Callable[[Model], Model], way: str) -> None:
    agent = Agent(resilient(wrap(TestModel(custom_output_text=GOOD)), TestModel()))
    if way == "run":
        assert (await agent.run("How many ships?")).output == GOOD
    else:
        async with agent.run_stream("How many ships?") as result:
            assert await result.get_output() == GOOD
