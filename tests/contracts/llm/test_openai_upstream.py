"""The watched OpenAI upstream, over real sockets: what it sends, what it learns, and how it lets go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters

from yaoki.errors import ModelInferenceError, ModelMalformedError, ModelUnavailableError
from yaoki.faults import ANSWER, FAULTS, Fault, Script, ScriptedProvider
from yaoki.llm.deltas import Delta, Finish, HalfAnswer, Text, Usage
from yaoki.llm.seams.continuing import VLLM_PREFILL
from yaoki.llm.upstreams.pydantic_upstream import ChatRequest
from yaoki.llm.upstreams.upstreams import OpenAIUpstream, openai_upstream

REQUEST = ChatRequest(messages=[ModelRequest(parts=[UserPromptPart("Tell me.")])], parameters=ModelRequestParameters())
HALF = ANSWER[: ANSWER.index(" of oranges")]
NO_ANSWERS = [
    f for f in FAULTS.values() if f.row in {"M11", "M12", "M13", "M14", "M16"} and f.name != "length_too_short"
]

WAYS = pytest.mark.parametrize("whole", [False, True], ids=["watched", "unread"])


@asynccontextmanager
async def watched(script: Script | None = None) -> AsyncIterator[tuple[OpenAIUpstream, ScriptedProvider]]:
    async with ScriptedProvider(script or Script()) as provider:
        upstream = openai_upstream(model="m", base_url=provider.base_url, max_output_tokens=500)
        yield upstream, provider
        await upstream.aclose()


async def deltas(upstream: OpenAIUpstream, half: HalfAnswer | None = None, *, whole: bool = False) -> list[Delta]:
    return [delta async for delta in upstream.stream(replace(REQUEST, whole=whole), half)]


def text(found: list[Delta]) -> str:
    return "".join(delta.text for delta in found if isinstance(delta, Text))


async def test_an_answer_is_text_usage_and_one_finish() -> None:
    async with watched() as (upstream, provider):
        found = await deltas(upstream)
    assert text(found) == ANSWER
    assert [type(delta) for delta in found[-2:]] == [Usage, Finish]
    assert provider.requests[0].body["max_tokens"] == 500
    assert provider.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.requirement("P-2")
@WAYS
@pytest.mark.parametrize("fault", NO_ANSWERS, ids=lambda fault: fault.name)
async def test_what_is_no_whole_answer_raises_ours(fault: Fault, whole: bool) -> None:
    async with watched(Script(fault=fault.name)) as (upstream, _):
        with pytest.raises(ModelInferenceError):
            await deltas(upstream, whole=whole)


@pytest.mark.requirement("P-5")
@WAYS
@pytest.mark.parametrize("fault", ["http_500", "rate_limited", "closes_at_once", "cut_mid_stream"])
async def test_one_request_is_one_request(fault: str, whole: bool) -> None:
    async with watched(Script(fault=fault)) as (upstream, provider):
        with pytest.raises(ModelInferenceError):
            await deltas(upstream, whole=whole)
    assert len(provider.requests) == 1


@WAYS
async def test_no_redirect_is_followed(whole: bool) -> None:
    async with watched(Script(fault="redirect_loop")) as (upstream, provider):
        with pytest.raises(ModelInferenceError):
            await deltas(upstream, whole=whole)
    assert len(provider.requests) == 1


@WAYS
async def test_connections_are_used_again(whole: bool) -> None:
    async with watched() as (upstream, provider):
        for _ in range(3):
            await deltas(upstream, whole=whole)
        pool = upstream.model.client._client._transport._inner._pool
        assert len(pool.connections) == 1
    assert len(provider.requests) == 3


@pytest.mark.requirement("P-3")
async def test_half_an_answer_is_continued_by_prefill() -> None:
    async with watched() as (upstream, provider):
        found = await deltas(upstream, HalfAnswer(f"{HALF} ", "prefill"))
    assert provider.requests[0].body["messages"][-1] == {"role": "assistant", "content": HALF}
    assert HALF + text(found) == ANSWER


@pytest.mark.requirement("P-3")
async def test_half_an_answer_is_continued_by_instruction() -> None:
    async with watched() as (upstream, provider):
        found = await deltas(upstream, HalfAnswer(HALF, "instruction"))
    roles = [message["role"] for message in provider.requests[0].body["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert text(found).endswith(ANSWER[len(HALF) :])


@pytest.mark.parametrize(
    "prefill,honoured", [("honour", True), ("refuse", False), ("ignore", False), ("talk_over", False), ("echo", False)]
)
async def test_a_probe_shows_what_becomes_of_a_prefill(prefill: str, honoured: bool) -> None:
    async with watched(Script(prefill=prefill)) as (upstream, provider):  # pyright: ignore[reportArgumentType]
        assert await upstream.honours_prefill() is honoured
    assert all(request.body["max_tokens"] <= 8 for request in provider.requests)


async def test_a_backend_that_wants_to_be_asked_as_vllm_is_asked_so() -> None:
    async with watched(Script(prefill="vllm")) as (upstream, provider):
        assert await upstream.honours_prefill()
        found = await deltas(upstream, HalfAnswer(HALF, "prefill"))
    assert HALF + text(found) == ANSWER
    assert VLLM_PREFILL.items() <= provider.requests[-1].body.items()
    assert "extra_body" not in provider.requests[-1].body


async def test_a_probe_of_a_backend_that_is_down_shows_nothing() -> None:
    async with watched(Script(fault="http_503", everywhere=True)) as (upstream, _):
        with pytest.raises(ModelInferenceError):
            await upstream.honours_prefill()


@WAYS
async def test_an_address_that_changes_is_asked_for_each_time(whole: bool) -> None:
    async with ScriptedProvider() as first, ScriptedProvider() as second:
        addresses = [first.base_url, second.base_url]
        upstream = openai_upstream(model="m", base_url=lambda: addresses.pop(0))
        await deltas(upstream, whole=whole)
        await deltas(upstream, whole=whole)
        await upstream.aclose()
    assert (len(first.requests), len(second.requests)) == (1, 1)


async def test_an_address_that_is_not_known_is_said_before_anything_is_sent() -> None:
    def down() -> str:
        raise ModelUnavailableError("It is starting.")

    upstream = openai_upstream(model="m", base_url=down)
    with pytest.raises(ModelUnavailableError, match="starting"):
        await deltas(upstream)
    await upstream.aclose()


async def test_a_key_from_the_environment_is_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    async with watched() as (upstream, provider):
        await deltas(upstream)
    assert "secret" not in str(provider.requests[0].headers)


@WAYS
async def test_a_stream_that_nobody_reads_on_is_closed(whole: bool) -> None:
    async with watched(Script(token_s=0.01)) as (upstream, provider):
        stream = upstream.stream(replace(REQUEST, whole=whole), None)
        assert isinstance(await anext(stream), Text)
        await stream.aclose()
        async with ScriptedProvider():  # the loop turns
            pass
        assert provider.requests[0].left or provider.requests[0].ended_at is None
    assert provider.requests[0].ended_at is not None


@pytest.mark.requirement("M28")
async def test_thinking_tags_are_not_merged_with_their_neighbours() -> None:
    async with watched(Script(answer="<think> Hm. </think> Yes.")) as (upstream, _):
        found = await deltas(upstream)
    assert isinstance(found[-1], Finish)


@pytest.mark.requirement("M28")
async def test_a_request_that_the_model_cannot_take_is_its_own_fault_only() -> None:
    parameters = ModelRequestParameters(output_mode="tool", allow_image_output=True)
    request = ChatRequest(messages=REQUEST.messages, parameters=parameters)
    async with watched() as (upstream, provider):
        with pytest.raises(ModelMalformedError) as refused:
            [delta async for delta in upstream.stream(request, None)]
    assert refused.value.facts["fault"] == "unsupported"
    assert not provider.requests
