"""Answers that nobody watches grow: the same question is asked, and the same is made of the answer, as by the SDK."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx2
import pytest
from pydantic_ai import ImageUrl
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from yaoki.errors import AIOrchestrationError, ModelTruncatedError
from yaoki.llm.deltas import Delta, Finish, HalfAnswer, Reasoning, Text, ToolCall, Usage
from yaoki.llm.upstreams.details import CallDetails, ThinkingDetails
from yaoki.llm.upstreams.pydantic_upstream import ChatRequest, PydanticUpstream
from yaoki.llm.upstreams.watched_model import upstream_of

LOOK = ToolDefinition(name="look", description="Look.", parameters_json_schema={"type": "object", "properties": {}})
TOOLS = ModelRequestParameters(function_tools=[LOOK])
ASKED: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart("Tell me.")])]
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
Piece = bytes | float | Exception


def chunk(**said: Any) -> bytes:
    return f"data: {json.dumps({'id': '1', 'created': 1, 'model': 'm', **said})}\n\n".encode()


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def words(*texts: str) -> bytes:
    return b"".join(event({"content": text}) for text in texts)


def call(index: int = 0, name: str | None = None, arguments: str | None = None, **more: Any) -> bytes:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    piece = {"index": index, "id": f"c{index}", "type": "function", "function": function, **more}
    return event({"tool_calls": [piece]})


COUNTED = chunk(choices=[], usage=USAGE)
DONE = b"data: [DONE]\n\n"
STOP = event({}, "stop") + COUNTED + DONE
CALLED = event({}, "tool_calls") + COUNTED + DONE
DOCUMENT = {
    "id": "1",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "All."}, "finish_reason": "stop"}],
    "usage": USAGE,
}
BROKEN_OFF = httpx2.ReadError("gone")
BODIES: dict[str, list[Piece]] = {
    "text": [event({"role": "assistant", "content": ""}), words("One ", "two "), words("three"), STOP],
    "at once": [words("One ", "two ", "three") + STOP],
    "no usage": [words("One"), event({}, "stop"), DONE],
    "length": [words("One"), event({}, "length"), COUNTED],
    "filtered": [words("One"), event({}, "content_filter"), DONE],
    "cut": [words("One ", "two ")],
    "done and no finish": [words("One ", "two "), DONE],
    "broken off": [words("One ", "two "), BROKEN_OFF],
    "broken off after the end": [words("One"), event({}, "stop"), BROKEN_OFF],
    "too much after the end": [words("One"), event({}, "stop"), b"data: " + b"x" * 1_100_000],
    "nothing": [b""],
    "page": [b"<!doctype html><p>Gateway</p>"],
    "prose": [b"It is fine.\n\nReally.\n"],
    "document": [json.dumps(DOCUMENT).encode()],
    "error document": [b'{"error": {"message": "no", "code": 429}}'],
    "error event": [words("One "), b'data: {"error": {"message": "no", "code": 503}}\n\n'],
    "no JSON": [words("One "), b"data: {nonsense}\n\n"],
    "another shape": [words("One "), b'data: {"choices": [{"index": 0, "delta": {"content": 7}}]}\n\n'],
    "reasoning": [event({"reasoning_content": "Hm"}), event({"reasoning_content": " so"}), words("One"), STOP],
    "reasoning elsewhere": [event({"reasoning": "Hm"}), words("One"), event({"reasoning": "Ah"}), words("two"), STOP],
    "reasoning twice": [event({"reasoning": "Hm", "reasoning_content": "Hm"}), words("One"), STOP],
    "thinking tags": [words("<think>", "Hm ", "so", "</think>", "One ", "two") + STOP],
    "thinking tags alone": [*(words(text) for text in ("<think>", "Hm", "</think>", "One")), STOP],
    "thinking without an end": [words("<think>", "Hm"), STOP],
    "tags in a text": [words("One <think> two </think> three"), STOP],
    "call": [call(name="look", arguments=""), call(arguments='{"at"'), call(arguments=': "sea"}'), CALLED],
    "text and calls": [words("Wait."), call(name="look", arguments="{}"), call(1, "look", "{}"), CALLED],
    "call without arguments": [call(name="look"), CALLED],
    "call with a signature": [call(name="look", arguments="{}", extra_content={"google": {"sign": "x"}}), CALLED],
    "cut in a call": [call(name="look", arguments='{"at"')],
    "broken token": [words("Say <\u200d|im_start|> twice <", "\u200d|im_", "end|>."), STOP],
    "joiner at the end": [words("Say <\u200d"), STOP],
    "broken token in a call": [call(name="look", arguments='{"at": "<\u200d|im_start|>"}'), CALLED],
    "halves": [b'data: {"choices": [{"index": 0, "delta": {"content": "\\ud83d"}}]}\n\n', words("\ude00 ships"), STOP],
    "refusal": [event({"refusal": "I will"}), event({"refusal": " not."}), STOP],
    "endless event": [words("One "), b"data: " + b"x" * 1_100_000],
}


class Provider(httpx2.AsyncBaseTransport, httpx2.AsyncByteStream):
    """Answers every request with the same body; a number is a pause in seconds."""

    def __init__(self, *pieces: Piece, encoding: str = "identity", status: int = 200) -> None:
        self._pieces = pieces
        self._headers = {"content-type": "text/event-stream", "content-encoding": encoding}
        self._status = status
        self.asked: list[httpx2.Request] = []
        self.read_to_the_end = 0
        self.closed = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return httpx2.Response(self._status, headers=self._headers, stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
            elif isinstance(piece, float):
                await asyncio.sleep(piece)
            else:
                raise piece
        self.read_to_the_end += 1

    async def aclose(self) -> None:
        self.closed += 1


def upstream(provider: Provider, **model: Any) -> PydanticUpstream:
    http = httpx2.AsyncClient(transport=provider)
    openai = OpenAIProvider(base_url="http://x/v1", api_key="none", http_client=http)
    return upstream_of(OpenAIChatModel("m", provider=openai, **model))


def request(*, whole: bool, parameters: ModelRequestParameters = TOOLS, **settings: Any) -> ChatRequest:
    return ChatRequest(messages=ASKED, parameters=parameters, settings=ModelSettings(**settings), whole=whole)


async def said(asked: PydanticUpstream, request: ChatRequest) -> list[object]:
    """What an answer comes to: neighbouring text and reasoning joined, parts told apart, and the failure at its end."""
    parts: list[object] = []
    keys: list[object] = [None]
    try:
        async with aclosing(asked.stream(request, None)) as deltas:
            async for delta in deltas:
                take(delta, parts, keys)
    except AIOrchestrationError as error:
        parts.append((type(error), error.facts.get("fault"), error.facts.get("foreign_status")))
    return parts


def take(delta: Delta, parts: list[Any], keys: list[object]) -> None:
    match delta:
        case Text(text=text):
            parts.append(parts.pop() + text if parts and isinstance(parts[-1], str) else text)
        case Reasoning(text=text, details=ThinkingDetails(key=key) as details):
            if key == keys[-1]:
                parts[-1]["thought"] += text
            else:
                parts.append({"thought": text, "field": details.id, "provider": details.provider_name})
            keys.append(key)
        case ToolCall(details=CallDetails()) | Usage() | Finish():
            parts.append(delta)
        case _:
            pass


@pytest.mark.requirement("M11", "M12", "M13", "M14", "M16", "M27", "M28", "P-2")
@pytest.mark.parametrize("parameters", [TOOLS, ModelRequestParameters()], ids=["tools", "no tools"])
@pytest.mark.parametrize("body", BODIES)
async def test_the_same_is_made_of_an_answer_as_by_the_sdk(body: str, parameters: ModelRequestParameters) -> None:
    by_sdk, by_us = [
        await said(upstream(Provider(*BODIES[body])), request(whole=whole, parameters=parameters))
        for whole in (False, True)
    ]
    assert by_us == by_sdk


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500, 503])
async def test_a_status_is_the_same_failure(status: int) -> None:
    body = b'{"error": {"message": "no", "code": "x"}}'
    by_sdk, by_us = [await said(upstream(Provider(body, status=status)), request(whole=it)) for it in (False, True)]
    assert by_us == by_sdk


SETTINGS: dict[str, dict[str, Any]] = {
    "none": {},
    "limits": {"max_tokens": 7, "temperature": 0.5, "stop_sequences": ["x"], "seed": 3, "parallel_tool_calls": False},
    "extras": {
        "extra_body": {"guided": True},
        "extra_headers": {"x-a": "b"},
        "timeout": 5.0,
        "tool_choice": "required",
    },
    "openai": {"openai_reasoning_effort": "low", "openai_user": "u", "openai_logprobs": True, "logit_bias": {"1": -1}},
}


@pytest.mark.parametrize("mode", ["prefill", "instruction", None])
@pytest.mark.parametrize("settings", SETTINGS)
async def test_the_same_is_asked_as_by_the_sdk(settings: str, mode: Any) -> None:
    messages: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart(["What is it?", ImageUrl("http://x/sea.png")])], instructions="Be brief."),
        ModelResponse(parts=[TextPart("A ship.")]),
        *ASKED,
    ]
    half = HalfAnswer("One", mode) if mode else None
    provider = Provider(words("One ") + STOP)
    for whole in (False, True):
        asked = request(whole=whole, **SETTINGS[settings])
        chat = ChatRequest(messages=messages, parameters=TOOLS, settings=asked.settings, whole=whole)
        async with aclosing(upstream(provider).stream(chat, half)) as deltas:
            assert [delta async for delta in deltas]
    by_sdk, by_us = provider.asked
    assert json.loads(by_us.content) == json.loads(by_sdk.content)
    assert json.loads(by_us.content)["stream_options"] == {"include_usage": True}
    assert (by_us.url, dict(by_us.headers), by_us.extensions) == (by_sdk.url, dict(by_sdk.headers), by_sdk.extensions)


@pytest.mark.requirement("M28")
@pytest.mark.parametrize("skips", [True, False])
async def test_blanks_that_a_models_profile_skips_are_skipped(skips: bool) -> None:
    body = [words("\n\n"), words("One ", "two "), words(" "), STOP]
    asked = upstream(Provider(*body), profile={"ignore_streamed_leading_whitespace": skips})
    assert (await said(asked, request(whole=True)))[0] == ("One two  " if skips else "\n\nOne two  ")


async def test_a_model_that_thinks_in_a_field_of_its_own_is_read_by_its_sdk() -> None:
    body = [event({"musings": "Hm"}), words("One"), STOP]
    asked = upstream(Provider(*body), profile={"openai_chat_thinking_field": "musings"})
    assert (await said(asked, request(whole=True)))[0] == {"thought": "Hm", "field": "musings", "provider": "openai"}


@pytest.mark.requirement("M28")
async def test_what_is_packed_all_the_same_is_read() -> None:
    packed = gzip.compress(words("One") + STOP)
    parts = await said(upstream(Provider(packed[:20], packed[20:], encoding="gzip")), request(whole=True))
    assert parts == ["One", Usage(9, 4), Finish("stop")]


@pytest.mark.requirement("M14")
async def test_a_body_that_is_packed_too_tightly_is_refused() -> None:
    provider = Provider(gzip.compress(b" " * 5_000_000), encoding="gzip")
    [(_, fault, _)] = await said(upstream(provider), request(whole=True))  # type: ignore[misc]
    assert fault == "oversized_event"


@pytest.mark.requirement("M28")
@pytest.mark.parametrize("rest", [[DONE], [COUNTED], []], ids=["done", "usage", "neither"])
async def test_a_connection_left_open_after_the_end_does_not_hold_the_answer(rest: list[Piece]) -> None:
    provider = Provider(words("One"), event({}, "stop"), *rest, 30.0)
    async with asyncio.timeout(10):
        assert (await said(upstream(provider), request(whole=True)))[-1] == Finish("stop")
    assert provider.closed


@pytest.mark.requirement("M14", "M28")
async def test_what_is_packed_too_tightly_after_the_end_is_no_fault() -> None:
    packed = gzip.compress(words("One") + event({}, "stop") + b" " * 5_000_000)
    provider = Provider(packed[:160], packed[160:], encoding="gzip")
    assert await said(upstream(provider), request(whole=True)) == await said(upstream(provider), request(whole=False))


async def test_usage_is_waited_for_a_little() -> None:
    provider = Provider(words("One"), event({}, "stop"), 0.02, COUNTED, 30.0)
    assert (await said(upstream(provider), request(whole=True)))[1] == Usage(9, 4)


async def test_a_body_is_read_to_its_end_so_that_its_connection_can_serve_again() -> None:
    provider = Provider(words("One") + STOP, b"\n")
    await said(upstream(provider), request(whole=True))
    assert (provider.read_to_the_end, provider.closed) == (1, 1)


async def test_leaving_early_closes_and_leaves_nothing_behind() -> None:
    provider = Provider(words("One "), 30.0)
    before = asyncio.all_tasks()
    async with aclosing(upstream(provider).stream(request(whole=True), None)) as deltas:
        assert await anext(deltas) == Text("One ")
    assert provider.closed
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_what_has_come_is_handed_out_before_the_failure(at: int) -> None:
    provider = Provider(*[words("One "), words("two "), words("three")][: at + 1], BROKEN_OFF)
    parts = await said(upstream(provider), request(whole=True))
    assert parts[0] == "One two three"[: (4, 8, 13)[at]]
    assert parts[1] != (ModelTruncatedError, "cut", None)
