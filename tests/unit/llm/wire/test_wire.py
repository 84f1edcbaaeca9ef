"""The lean wire over real sockets: what it sends, what it takes for an answer, and how it lets go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from yaoki.errors import ModelInferenceError, ModelMalformedError
from yaoki.faults import ANSWER, FAULTS, Fault, Script, ScriptedProvider
from yaoki.llm.deltas import Delta, Finish, HalfAnswer, Reasoning, Text, ToolCall, Usage
from yaoki.llm.failures import is_callers
from yaoki.llm.seams.continuing import VLLM_PREFILL
from yaoki.llm.upstreams.upstreams import OpenAIUpstream, openai_upstream
from yaoki.llm.wire.request import WireRequest

ASKED = {"model": "chain", "messages": [{"role": "user", "content": "Tell me."}]}
TOOL = {"type": "function", "function": {"name": "charge", "parameters": {"type": "object"}}}
HALF = ANSWER[: ANSWER.index(" of oranges")]
NO_ANSWERS = [
    f for f in FAULTS.values() if f.row in {"M11", "M12", "M13", "M14", "M16"} and f.name != "length_too_short"
]
ODD = [f for f in FAULTS.values() if f.healthy and not f.name.startswith(("tool_call", "says_"))]


@asynccontextmanager
async def wired(script: Script | None = None) -> AsyncIterator[tuple[OpenAIUpstream, ScriptedProvider]]:
    async with ScriptedProvider(script or Script()) as provider:
        upstream = openai_upstream(model="m", base_url=provider.base_url, api_key="k-123", max_output_tokens=500)
        yield upstream, provider
        await upstream.aclose()


async def deltas(upstream: OpenAIUpstream, half: HalfAnswer | None = None, **asked: Any) -> list[Delta]:
    return [delta async for delta in upstream.stream(WireRequest({**ASKED, **asked}), half)]


def text(found: list[Delta]) -> str:
    return "".join(delta.text for delta in found if isinstance(delta, Text))


async def test_the_body_goes_on_as_it_came_but_for_the_model_and_the_stream() -> None:
    async with wired() as (upstream, provider):
        found = await deltas(upstream, seed=7, temperature=0.3, x_own={"a": [1]}, stream=False)
    sent = provider.requests[0]
    assert text(found) == ANSWER
    assert [type(delta) for delta in found[-2:]] == [Usage, Finish]
    assert sent.body == {
        **ASKED,
        "model": "m",
        "seed": 7,
        "temperature": 0.3,
        "x_own": {"a": [1]},
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 500,
    }
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.headers["authorization"] == "Bearer k-123"


@pytest.mark.parametrize(
    "more",
    [
        {"stop": ["Z"], "parallel_tool_calls": False, "reasoning_effort": "low", "n": 1, "user": "ann"},
        {"tools": [{"type": "function", "function": {"name": "charge"}}], "tool_choice": "required"},
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "name": "ann", "content": [{"type": "text", "text": "?"}, {"type": "image_url"}]},
            ]
        },
    ],
)
async def test_what_we_need_not_understand_is_the_providers_business(more: dict[str, Any]) -> None:
    async with wired() as (upstream, provider):
        await deltas(upstream, **more)
    assert {name: provider.requests[0].body[name] for name in more} == more


@pytest.mark.requirement("M18")
@pytest.mark.parametrize("asked, left", [(400, 300), (110, 32), (None, 500)])
async def test_what_half_an_answer_has_taken_is_left_out_of_the_clients_limit(asked: int | None, left: int) -> None:
    half = HalfAnswer("x" * 400, "prefill")
    async with wired() as (upstream, provider):
        await deltas(upstream, half, max_tokens=asked)
    assert provider.requests[0].body["max_tokens"] == left


async def test_a_call_that_nobody_offered_is_the_models_fault() -> None:
    async with wired(Script(fault="tool_call", tool="charge")) as (upstream, _):
        with pytest.raises(ModelMalformedError, match="none was offered"):
            await deltas(upstream)
        with pytest.raises(ModelMalformedError, match="none was offered"):
            await deltas(upstream, tools=[{"type": "function", "function": {"name": "charge"}}], tool_choice="none")


@pytest.mark.parametrize(
    "asked, sent",
    [
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"max_completion_tokens": 9}, {"max_completion_tokens": 9}),
        ({"max_tokens": 9_000}, {"max_tokens": 500}),
        ({"max_tokens": None}, {"max_tokens": 500}),
    ],
)
async def test_the_lower_limit_of_output_wins(asked: dict[str, Any], sent: dict[str, Any]) -> None:
    async with wired() as (upstream, provider):
        await deltas(upstream, **asked)
    body = provider.requests[0].body
    assert {key: body[key] for key in ("max_tokens", "max_completion_tokens") if key in body} == sent


@pytest.mark.requirement("P-2")
@pytest.mark.parametrize("fault", NO_ANSWERS, ids=lambda fault: fault.name)
async def test_what_is_no_whole_answer_raises_ours(fault: Fault) -> None:
    async with wired(Script(fault=fault.name)) as (upstream, provider):
        with pytest.raises(ModelInferenceError) as raised:
            await deltas(upstream)
        assert not is_callers(raised.value)
    assert len(provider.requests) == 1


@pytest.mark.requirement("M28")
@pytest.mark.parametrize("fault", ODD, ids=lambda fault: fault.name)
async def test_what_is_only_odd_is_an_answer(fault: Fault) -> None:
    async with wired(Script(fault=fault.name, pause_s=0.05)) as (upstream, _):
        found = await deltas(upstream)
    assert text(found) == ANSWER
    assert found[-1] == Finish("stop")


@pytest.mark.parametrize(
    "fault, kind, wait_s",
    [
        ("rate_limited", "model.rate_limited", 1.0),
        ("quota_spent", "model.quota_exceeded", None),
        ("http_500", "model.unavailable", None),
        ("http_503_wait", "model.overloaded", 1.0),
        ("overloaded", "model.overloaded", None),
        ("unauthorized", "model.authentication", None),
        ("model_not_found", "model.not_found", None),
        ("context_overflow", "model.context_overflow", None),
        ("refused", "model.unavailable", None),
        ("redirect_elsewhere", "model.malformed", None),
        ("banner", "model.malformed", None),
        ("error_event_status", "model.rate_limited", None),
    ],
)
async def test_a_refusal_has_the_name_that_it_has_under_the_sdk(fault: str, kind: str, wait_s: float | None) -> None:
    async with wired(Script(fault=fault)) as (upstream, _):
        with pytest.raises(ModelInferenceError) as raised:
            await deltas(upstream)
    assert (raised.value.kind, raised.value.retry_after_s) == (kind, wait_s)


async def test_a_request_that_is_refused_as_such_is_the_callers_fault() -> None:
    async with wired(Script(prefill="refuse")) as (upstream, _):
        with pytest.raises(ModelMalformedError) as raised:
            await deltas(upstream, HalfAnswer(HALF, "prefill"))
    assert is_callers(raised.value)


@pytest.mark.requirement("P-3")
async def test_half_an_answer_is_continued_by_prefill() -> None:
    async with wired() as (upstream, provider):
        found = await deltas(upstream, HalfAnswer(f"{HALF} ", "prefill"))
    assert provider.requests[0].body["messages"] == [*ASKED["messages"], {"role": "assistant", "content": HALF}]
    assert HALF + text(found) == ANSWER


@pytest.mark.requirement("P-3")
async def test_half_an_answer_is_continued_by_instruction() -> None:
    async with wired() as (upstream, provider):
        found = await deltas(upstream, HalfAnswer(HALF, "instruction"))
    assert [message["role"] for message in provider.requests[0].body["messages"]] == ["user", "assistant", "user"]
    assert text(found).endswith(ANSWER[len(HALF) :])


async def test_what_one_face_learns_of_a_backend_the_other_knows() -> None:
    async with wired(Script(prefill="vllm")) as (upstream, provider):
        assert await upstream.honours_prefill()
        found = await deltas(upstream, HalfAnswer(HALF, "prefill"))
    assert VLLM_PREFILL.items() <= provider.requests[-1].body.items()
    assert HALF + text(found) == ANSWER


async def test_connections_are_used_again() -> None:
    async with wired() as (upstream, provider):
        for _ in range(3):
            await deltas(upstream)
        session = upstream._wire._session
        assert session is not None
        assert sum(len(held) for held in session._connector._conns.values()) == 1
    assert len(provider.requests) == 3


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_flood_is_held_up_and_goes_on(streamed: bool) -> None:
    answer = " ".join(map(str, range(12_000)))  # over two megabytes of events
    async with wired(Script(answer=answer)) as (upstream, _), asyncio.timeout(40):
        assert text(await deltas(upstream, stream=streamed)) == answer


async def test_a_closed_stream_is_a_request_that_has_ended() -> None:
    async with wired(Script(token_s=0.01)) as (upstream, provider):
        async with aclosing(upstream.stream(WireRequest(ASKED), None)) as stream:
            await anext(stream)
        async with asyncio.timeout(20):
            await provider.until(lambda one: one.requests[0].left)


@pytest.mark.requirement("M27")
@pytest.mark.parametrize("fault", ["tool_call", "tool_call_at_once", "tool_call_stop"])
async def test_a_tool_call_is_handed_out_whole(fault: str) -> None:
    async with wired(Script(fault=fault, arguments={"amount": 12})) as (upstream, _):
        found = await deltas(upstream, tools=[TOOL])
    assert [delta for delta in found if isinstance(delta, ToolCall)] == [ToolCall("charge", '{"amount": 12}')]
    assert isinstance(found[-1], Finish)


async def test_thinking_and_a_refusal_keep_the_name_that_they_came_by() -> None:
    async with wired(Script(fault="reasoning_field", pause_s=0.01)) as (upstream, provider):
        thought = await deltas(upstream)
        await provider.play(Script(fault="refusal"))
        refused = await deltas(upstream)
    assert {delta.details for delta in thought if isinstance(delta, Reasoning)} == {"reasoning"}
    assert refused == [Reasoning("I can't help with that.", "refusal"), Finish("content_filter")]
