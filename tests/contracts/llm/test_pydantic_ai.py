"""What the chain relies on in pydantic-ai and the OpenAI SDK, pinned: a version that changes it fails here first."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx2
import pytest
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartStartEvent,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from yaoki.faults import ANSWER, Script, ScriptedProvider
from yaoki.llm.chain_model import ChainModel, ChainResponse
from yaoki.llm.deltas import Finish, Item

HOOKS = (
    "request",
    "request_stream",
    "prepare_messages",
    "prepare_request",
    "customize_request_parameters",
    "_start_request_deadline",
)
QUESTION: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart("Tell me.")])]


@asynccontextmanager
async def bare_model(provider: ScriptedProvider, profile: OpenAIModelProfile | None = None) -> AsyncIterator[Model]:
    """pydantic-ai as it comes, without the watcher."""
    async with AsyncOpenAI(base_url=provider.base_url, api_key="none", max_retries=0) as client:
        yield OpenAIChatModel("m", provider=OpenAICompatibleProvider("openai", openai_client=client), profile=profile)


async def drain(model: Model, messages: Sequence[ModelMessage]) -> ModelResponse:
    async with model.request_stream(list(messages), None, ModelRequestParameters()) as response:
        async for _ in response:
            pass
    return response.get()


@pytest.mark.parametrize("hook", HOOKS)
def test_a_model_has_the_hooks_that_the_chain_overrides(hook: str) -> None:
    theirs, ours = inspect.signature(getattr(Model, hook)), inspect.signature(getattr(ChainModel, hook))
    assert list(theirs.parameters) == list(ours.parameters)


@pytest.mark.parametrize("name", ["_get_event_iterator", "_parts_manager", "get", "close_stream", "timestamp"])
def test_a_streamed_response_has_the_hooks_that_the_chain_overrides(name: str) -> None:
    assert hasattr(StreamedResponse, name)


@pytest.mark.parametrize("name", ["_usage", "finish_reason", "model_request_parameters"])
def test_a_streamed_response_has_the_fields_that_the_chain_sets(name: str) -> None:
    assert name in StreamedResponse.__dataclass_fields__


def test_a_model_that_routes_to_others_has_no_deadline_of_its_own() -> None:
    fallback = FallbackModel("test", "test")
    assert fallback._start_request_deadline({"first_event_timeout": 1.0}, stream=True) is None


async def test_a_cut_stream_passes_for_a_success_without_the_watcher() -> None:
    async with ScriptedProvider(Script(fault="cut_mid_stream")) as provider, bare_model(provider) as model:
        response = await drain(model, QUESTION)
    assert (response.finish_reason, response.state) == ("stop", "complete")
    assert ANSWER.startswith(response.text or "nothing")
    assert response.text != ANSWER


async def test_with_the_profile_flag_a_cut_stream_raises() -> None:
    profile = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
    async with ScriptedProvider(Script(fault="cut_mid_stream")) as provider, bare_model(provider, profile) as model:
        with pytest.raises(ModelAPIError, match="finish_reason"):
            await drain(model, QUESTION)


async def test_our_own_exception_passes_through_the_sdk_unwrapped() -> None:
    class OursError(Exception):
        pass

    class Transport(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Body())

    class Body(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\n'
            raise OursError

    http = httpx2.AsyncClient(transport=Transport())
    async with AsyncOpenAI(base_url="http://x/v1", api_key="x", http_client=http) as client:
        model = OpenAIChatModel("m", provider=OpenAICompatibleProvider("openai", openai_client=client))
        with pytest.raises(OursError):
            await drain(model, QUESTION)


async def test_a_trailing_response_is_sent_as_the_last_message_of_the_assistant() -> None:
    async with ScriptedProvider() as provider, bare_model(provider) as model:
        await drain(model, [*QUESTION, ModelResponse(parts=[TextPart("A lighthouse")])])
    assert provider.requests[0].body["messages"][-1] == {"role": "assistant", "content": "A lighthouse"}


async def test_a_part_is_overwritten_by_its_vendor_id_and_never_removed() -> None:
    response = ChainResponse(ModelRequestParameters(), _items=_nothing(), _sink=_forget, _resume_text="half")
    events = [event async for event in response._get_event_iterator()]
    manager = response._parts_manager
    assert [type(event) for event in events] == [PartStartEvent]
    assert isinstance(manager.handle_part(vendor_part_id="text", part=TextPart("")), PartStartEvent)
    assert manager.get_parts() == [TextPart("")]


async def test_an_agent_goes_on_without_a_prompt_from_where_its_history_ends() -> None:
    call = ModelResponse(parts=[ToolCallPart("look", {}, tool_call_id="1")])
    returned = ModelRequest(parts=[ToolReturnPart("look", "sunny", tool_call_id="1")])
    async with ScriptedProvider() as provider, bare_model(provider) as model:
        await Agent(model).run(message_history=[*QUESTION, call, returned])
    assert [message["role"] for message in provider.requests[0].body["messages"]] == ["user", "assistant", "tool"]


async def test_half_an_answer_at_the_end_of_a_history_passes_for_the_answer() -> None:
    async with ScriptedProvider() as provider, bare_model(provider) as model:
        half = ModelResponse(parts=[TextPart("The capital of")])
        result = await Agent(model).run(message_history=[*QUESTION, half])
    assert result.output == "The capital of"
    assert not provider.requests


async def _forget(_: object) -> None:
    return


async def _nothing() -> AsyncGenerator[Item, None]:
    return
    yield Finish("stop")  # noqa: V201 - makes it a generator
