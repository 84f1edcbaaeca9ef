"""Anthropic's models in the chain, over real sockets: judged as strictly as those that speak OpenAI."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from anthropic import AsyncAnthropic
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider as AnthropicModelProvider

from tests.faults.anthropic import AnthropicProvider, Says
from tests.unit.llm.fakes import Told
from yaoki.errors import AIOrchestrationError, ModelAllFailedError
from yaoki.faults import ANSWER, Script, ScriptedProvider
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.deltas import Continuation, Failover, Finish, Reasoning, Text, ToolCall, Usage
from yaoki.llm.upstreams.providers import provider_upstream
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.llm.upstreams.watched_model import upstream_of
from yaoki.llm.wire.request import WireRequest
from yaoki.resilience.breaker import CircuitBreaker

ASK: dict[str, Any] = {"model": "one", "messages": [{"role": "user", "content": "How many ships?"}]}
TOOL = {"type": "function", "function": {"name": "charge", "parameters": {"type": "object", "properties": {}}}}
POLICY = CandidatePolicy(first_token_timeout_s=5.0, idle_timeout_s=0.6)
MODEL = "claude-sonnet-4-6"
CUT = ["cut", "reset", "error", "stall", "stop_without_reason"]


@asynccontextmanager
async def chained(*providers: AnthropicProvider | ScriptedProvider) -> AsyncIterator[Chain]:
    candidates: list[Candidate] = []
    for at, provider in enumerate(providers):
        url = provider.base_url
        upstream = (
            provider_upstream("anthropic", model=MODEL, base_url=url, api_key="sk-ant-1")
            if isinstance(provider, AnthropicProvider)
            else openai_upstream(model="m", base_url=url)
        )
        name = "abc"[at]
        candidates.append(Candidate(name=name, upstream=upstream, breaker=CircuitBreaker(name), policy=POLICY))
    chain = Chain(candidates)
    try:
        yield chain
    finally:
        await chain.aclose()


async def hear(chain: Chain, **more: Any) -> Told:
    told, request = Told(), WireRequest({**ASK, **more})
    async with asyncio.timeout(20):
        async for item in chain.stream(request, TurnBudget(), about=request.about()):
            told.items.append(item)
    return told


async def test_a_healthy_answer_with_its_usage_and_its_end() -> None:
    async with AnthropicProvider() as provider, chained(provider) as chain:
        told = await hear(chain, max_tokens=500, temperature=0.5, stop=["Z"], user="u")
    assert told.text == ANSWER
    assert [type(item) for item in told.items if not isinstance(item, Text)] == [Usage, Finish]
    [usage] = told.of(Usage)
    assert (usage.input_tokens, usage.output_tokens) == (25, 40)
    [asked] = provider.asked
    assert (asked["max_tokens"], asked["temperature"], asked["stop_sequences"]) == (500, 0.5, ["Z"])
    assert provider.headers["authorization"] == "Bearer sk-ant-1"


@pytest.mark.requirement("M11", "M13", "M14", "M15", "P-2", "P-3")
@pytest.mark.parametrize("fault", CUT)
@pytest.mark.parametrize("prefill", [True, False])
async def test_half_an_answer_of_anthropics_is_finished_by_openais_and_by_its_own(fault: str, *, prefill: bool) -> None:
    async with (
        AnthropicProvider(Says(fault=fault)) as first,
        ScriptedProvider(Script(prefill="honour" if prefill else "refuse")) as openai,
        AnthropicProvider(Says(prefill=prefill)) as second,
    ):
        for other in (openai, second):
            async with chained(first, other) as chain:
                told = await hear(chain)
            assert told.text == ANSWER
            assert [item.mid_stream for item in told.of(Failover)] == [True]
            [joined] = told.of(Continuation)
            assert (joined.model, joined.mode) == ("b", "prefill" if prefill else "instruction")
            assert told.items[-1] == Finish("stop")


@pytest.mark.requirement("M11", "P-2", "P-3")
@pytest.mark.parametrize("fault", ["cut_mid_stream", "stall_mid_stream", "error_event"])
@pytest.mark.parametrize("prefill", [True, False])
async def test_half_an_answer_of_openais_is_finished_by_anthropics(fault: str, *, prefill: bool) -> None:
    async with (
        ScriptedProvider(Script(fault=fault)) as first,
        AnthropicProvider(Says(prefill=prefill)) as second,
        chained(first, second) as chain,
    ):
        told = await hear(chain)
    assert told.text == ANSWER
    assert second.asked
    assert told.items[-1] == Finish("stop")


@pytest.mark.requirement("M1", "M2", "M3", "M4")
@pytest.mark.parametrize(
    "fault, kind",
    [
        ("overloaded", "model.overloaded"),
        ("rate_limited", "model.rate_limited"),
        ("unauthorized", "model.authentication"),
        ("too_long", "model.context_overflow"),
        ("broken", "model.unavailable"),
        ("page", "model.malformed"),
    ],
)
async def test_a_refusal_has_its_kind_and_the_next_model_answers(fault: str, kind: str) -> None:
    async with (
        AnthropicProvider(Says(fault=fault)) as first,
        ScriptedProvider() as second,
        chained(first, second) as chain,
    ):
        told = await hear(chain)
    assert told.text == ANSWER
    assert [(item.kind, item.mid_stream) for item in told.of(Failover)] == [(kind, False)]


@pytest.mark.requirement("M13")
async def test_an_error_inside_the_stream_keeps_its_own_kind() -> None:
    async with (
        AnthropicProvider(Says(fault="error")) as first,
        ScriptedProvider() as second,
        chained(first, second) as chain,
    ):
        told = await hear(chain)
    assert [item.kind for item in told.of(Failover)] == ["model.overloaded"]


@pytest.mark.requirement("M28")
async def test_a_connection_that_stays_open_after_the_end_costs_nothing() -> None:
    async with AnthropicProvider(Says(fault="left_open")) as provider, chained(provider) as chain:
        told = await hear(chain)
    assert told.text == ANSWER
    assert not told.of(Failover)


@pytest.mark.requirement("M18", "M19")
@pytest.mark.parametrize(
    "word, reason", [("max_tokens", "length"), ("refusal", "content_filter"), ("stop_sequence", "stop")]
)
async def test_its_words_for_the_end_are_told_in_ours(word: str, reason: Any) -> None:
    async with AnthropicProvider(Says(stop_reason=word)) as provider, chained(provider) as chain:
        told = await hear(chain, max_tokens=50)
    assert told.items[-1] == Finish(reason)


@pytest.mark.requirement("M27")
@pytest.mark.parametrize("fault", [None, "cut", "reset", "error"])
async def test_calls_come_whole_from_whoever_gives_them_whole(fault: str | None) -> None:
    calls = [("charge", {"amount": 1}), ("charge", {"amount": 2})]
    says = {"text": "I look. ", "calls": calls, "stop_reason": "tool_use"}
    async with (
        AnthropicProvider(Says(fault=fault, **says)) as first,
        AnthropicProvider(Says(**says)) as second,
        chained(first, second) as chain,
    ):
        told = await hear(chain, tools=[TOOL])
    assert [(call.name, call.arguments.replace(" ", "")) for call in told.of(ToolCall)] == [
        ("charge", '{"amount":1}'),
        ("charge", '{"amount":2}'),
    ]
    assert told.text == "I look. "
    assert bool(told.of(Failover)) == (fault is not None)


@pytest.mark.requirement("M27")
async def test_a_conversation_with_pictures_tools_and_schema_is_asked_in_its_words() -> None:
    talk = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "charge", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
        {"role": "user", "content": "And now?"},
    ]
    choice = {"type": "function", "function": {"name": "charge"}}
    other = {"type": "function", "function": {"name": "look"}}
    async with AnthropicProvider() as provider, chained(provider) as chain:
        await hear(chain, messages=talk, tools=[TOOL, other], tool_choice=choice, parallel_tool_calls=False)
    [asked] = provider.asked
    assert asked["system"] == "Be brief."
    [question, call, answer] = asked["messages"]
    kinds = [(part["type"], part.get("source", {}).get("type")) for part in question["content"]]
    assert kinds == [("text", None), ("image", "url"), ("image", "base64")]
    assert (call["role"], call["content"][0]["input"]) == ("assistant", {"a": 1})
    assert [part["type"] for part in answer["content"]] == ["tool_result", "text"]
    assert asked["tool_choice"] == {"type": "tool", "name": "charge", "disable_parallel_tool_use": True}
    assert "charge" in [tool["name"] for tool in asked["tools"]]


@pytest.mark.parametrize("form", ["json_schema", "json_object"])
async def test_a_schema_is_asked_for(form: str) -> None:
    schema = {"type": "object", "properties": {"ships": {"type": "integer"}}, "required": ["ships"]}
    wanted = {"type": form, "json_schema": {"name": "log", "schema": schema, "strict": True}}
    async with AnthropicProvider(Says(text='{"ships": 7}')) as provider, chained(provider) as chain:
        told = await hear(chain, response_format=wanted)
    assert told.text == '{"ships": 7}'
    [asked] = provider.asked
    native = "output_config" in asked or "output_format" in asked
    assert native == (form == "json_schema")
    assert native or "JSON" in str(asked["system"])


@pytest.mark.parametrize(
    "more, field",
    [
        ({"logit_bias_of_ours": 1}, "logit_bias_of_ours"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"tools": [{"type": "custom", "custom": {"name": "run"}}]}, "tools.0"),
        ({"messages": [{"role": "tool", "tool_call_id": "c9", "content": "x"}]}, "messages.0.tool_call_id"),
        ({"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, "messages.0.content.0"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
    ],
)
async def test_what_it_cannot_be_asked_is_refused_before_anything_is_sent(more: dict[str, Any], field: str) -> None:
    async with AnthropicProvider() as first, ScriptedProvider() as second:
        async with chained(first) as chain:
            with pytest.raises(ModelAllFailedError) as failed:
                await hear(chain, **more)
        async with chained(first, second) as chain:
            told = await hear(chain, **more)
    cause = failed.value.__cause__
    assert isinstance(cause, AIOrchestrationError)
    assert field in cause.message
    assert first.asked == []
    assert told.text == ANSWER


async def test_reasoning_is_asked_for_and_passed_on_beside_the_answer() -> None:
    async with AnthropicProvider(Says(thinking="Hm. Seven?")) as provider, chained(provider) as chain:
        told = await hear(chain, reasoning_effort="low")
        await hear(chain, reasoning_effort="none")
    assert told.text == ANSWER
    assert "".join(item.text for item in told.of(Reasoning)) == "Hm. Seven?"
    assert provider.asked[0]["thinking"]["type"] in ("enabled", "adaptive")
    assert provider.asked[1].get("thinking", {"type": "disabled"})["type"] == "disabled"


@pytest.mark.requirement("M27")
async def test_calls_that_nobody_offered_are_another_models_business() -> None:
    calls = [("charge", {"amount": 1})]
    async with (
        AnthropicProvider(Says(text="I pay. ", calls=calls, stop_reason="tool_use")) as anthropic,
        ScriptedProvider(Script(fault="tool_call", tool="charge")) as openai,
        AnthropicProvider(Says(text=f"I pay. {ANSWER}")) as last,
    ):
        for first in (anthropic, openai):
            async with chained(first, last) as chain:
                told = await hear(chain)
            assert told.text == f"I pay. {ANSWER}"
            assert not told.of(ToolCall)
            assert told.items[-1] == Finish("stop")


@asynccontextmanager
async def owned(provider: AnthropicProvider, other: ScriptedProvider) -> AsyncIterator[tuple[Chain, AsyncAnthropic]]:
    """A chain over somebody's own model of Anthropic's."""
    async with AsyncAnthropic(api_key="sk-ant-own", base_url=provider.base_url) as client:
        upstream = upstream_of(AnthropicModel(MODEL, provider=AnthropicModelProvider(anthropic_client=client)))
        assert upstream.verified
        upstreams = {"a": upstream, "b": openai_upstream(model="m", base_url=other.base_url)}
        chain = Chain(
            [
                Candidate(name=name, upstream=one, breaker=CircuitBreaker(name), policy=POLICY)
                for name, one in upstreams.items()
            ]
        )
        yield chain, client
        await chain.aclose()


@pytest.mark.requirement("M11", "M13", "M28", "P-2", "P-3")
@pytest.mark.parametrize(
    "fault, kinds",
    [(None, []), ("left_open", []), ("stop_without_reason", ["model.truncated"]), ("error", ["model.overloaded"])],
)
async def test_somebodys_own_model_is_watched_through_its_own_client(fault: str | None, kinds: list[str]) -> None:
    sent: list[str] = []

    async def note(request: httpx2.Request) -> None:
        sent.append(str(request.url))

    async with (
        AnthropicProvider(Says(fault=fault)) as first,
        ScriptedProvider() as second,
        owned(first, second) as (chain, client),
    ):
        client._client.event_hooks["request"].append(note)
        told = await hear(chain)
        assert (told.text, [item.kind for item in told.of(Failover)]) == (ANSWER, kinds)
        assert sent[0].startswith(first.base_url)
        assert first.headers["authorization"] == "Bearer sk-ant-own"
