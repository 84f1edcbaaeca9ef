"""`/v1` where something is too long, too many or unasked for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.unit.api.openai import ASK, chunks, faced
from tests.unit.llm.fakes import FakeUpstream, says
from yaoki.errors import ModelContextOverflowError, ModelUnavailableError
from yaoki.llm.chain.chain import ChainPolicy
from yaoki.llm.deltas import Finish, Text, ToolCall, ToolCallPiece, Usage

CONTINUE = ChainPolicy(on_output_limit="continue")
TOOLS: dict[str, Any] = {"tools": [{"type": "function", "function": {"name": "charge"}}]}
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "One? " * 50},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function"}]},
    {"role": "tool", "tool_call_id": "c1", "content": "1" * 100},
    {"role": "assistant", "content": "One."},
    {"role": "developer", "content": "Be briefer."},
    {"role": "user", "content": [{"type": "text", "text": "Two?"}]},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c2", "type": "function"}]},
    {"role": "tool", "tool_call_id": "c2", "content": "2"},
]


def overflow() -> FakeUpstream:
    return FakeUpstream([ModelContextOverflowError("too long")], says("Two."))


@pytest.mark.requirement("M18")
async def test_a_limit_of_the_providers_is_gone_beyond_and_all_of_it_counted(tmp_path: Path) -> None:
    upstream = FakeUpstream(
        [Text("Seven big "), Usage(10, 5), Finish("length")], [Text("ships."), Usage(16, 4), Finish("stop")]
    )
    async with faced(tmp_path, upstream, ends=CONTINUE) as face:
        body = (await face.ask()).json()
    [choice] = body["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Seven big ships.", "stop")
    assert body["usage"] == {"prompt_tokens": 10, "completion_tokens": 9, "total_tokens": 19}
    assert body["yaoki"]["spending"] == {"input_tokens": 26, "output_tokens": 9, "requests": 2}
    assert (body["yaoki"]["continued"], body["yaoki"]["usage_estimated"]) == (1, False)


@pytest.mark.requirement("M18")
@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_a_limit_of_the_clients_is_the_end_and_called_by_its_name(tmp_path: Path, limit: str) -> None:
    upstream = FakeUpstream([Text("Seven big "), Usage(10, 5), Finish("length")])
    async with faced(tmp_path, upstream, ends=CONTINUE) as face:
        whole = (await face.ask(**{limit: 5})).json()["choices"][0]
        streamed = chunks(await face.ask(**{limit: 5}, stream=True))
    assert (whole["message"]["content"], whole["finish_reason"]) == ("Seven big ", "length")
    assert streamed[-1]["choices"][0]["finish_reason"] == "length"
    assert len(upstream.asked) == 2


@pytest.mark.requirement("M18")
async def test_a_limit_of_the_providers_is_said_where_the_settings_want_that(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream([Text("Seven big "), Finish("length")])) as face:
        [choice] = (await face.ask()).json()["choices"]
    assert choice["finish_reason"] == "length"


@pytest.mark.requirement("M11")
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_cut_part_is_counted_and_its_count_called_a_guess(tmp_path: Path, *, streamed: bool) -> None:
    first = FakeUpstream([Text("Seven big red "), ModelUnavailableError("down")])
    second = FakeUpstream([Text(" ships."), Usage(20, 3), Finish("stop")])
    wanted: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
    async with faced(tmp_path, first, second) as face:
        answer = await face.ask(**wanted)
    body = chunks(answer)[-1] if streamed else answer.json()
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10}
    assert body["yaoki"]["usage_estimated"] is True
    spent = {"input_tokens": 23, "output_tokens": 7, "requests": 2, "estimated_tokens": 7}
    assert body["yaoki"]["spending"] == spent


async def test_what_left_nothing_behind_is_spent_and_is_not_the_answers(tmp_path: Path) -> None:
    first = FakeUpstream([ToolCallPiece(8), Usage(9, 9), ModelUnavailableError("down")])
    second = FakeUpstream([Text("Seven."), Usage(20, 3), Finish("stop")])
    async with faced(tmp_path, first, second) as face:
        body = (await face.ask(**TOOLS)).json()
    assert body["usage"] == {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23}
    assert body["yaoki"]["spending"] == {"input_tokens": 29, "output_tokens": 12, "requests": 2}


@pytest.mark.requirement("M22")
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_talk_too_long_for_every_window_loses_its_oldest_turns_and_says_so(
    tmp_path: Path, *, streamed: bool
) -> None:
    upstreams = overflow(), FakeUpstream([ModelContextOverflowError("too long")])
    async with faced(tmp_path, *upstreams) as face:
        answer = await face.ask(messages=TALK, stream=streamed)
    story = (chunks(answer)[-1] if streamed else answer.json())["yaoki"]
    assert story["left_out"] == 1
    assert answer.headers["x-yaoki-left-out"] == "1"
    told = upstreams[0].requests[-1].body["messages"]
    assert told == [TALK[0], TALK[5], *TALK[6:]]
    assert upstreams[0].requests[0].body["messages"] == TALK


@pytest.mark.requirement("M22")
async def test_a_larger_window_is_asked_before_anything_is_left_out(tmp_path: Path) -> None:
    async with faced(tmp_path, overflow(), FakeUpstream(says("Two."))) as face:
        answer = await face.ask(messages=TALK)
    assert (answer.json()["yaoki"]["models"], answer.json()["yaoki"]["left_out"]) == (["b"], 0)
    assert "x-yaoki-left-out" not in answer.headers


@pytest.mark.requirement("M22")
@pytest.mark.parametrize("how", ["header", "setting", "one turn"])
async def test_what_may_not_be_left_out_is_refused_under_openais_own_code(tmp_path: Path, how: str) -> None:
    headers = {"x-yaoki-compaction": "off"} if how == "header" else {}
    ends = ChainPolicy(on_overflow="say") if how == "setting" else None
    async with faced(tmp_path, overflow(), ends=ends) as face:
        answer = await face.ask(headers, messages=TALK[-3:] if how == "one turn" else TALK)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert len(face.upstreams[0].asked) == 1


@pytest.mark.requirement("M22")
async def test_who_has_waited_too_long_for_a_status_is_told_the_same_inside_the_stream(tmp_path: Path) -> None:
    waited = asyncio.Event()
    late = FakeUpstream([waited.wait, ModelContextOverflowError("too long")])
    async with (
        faced(tmp_path, late) as face,
        face.http.stream("POST", "/v1/chat/completions", json={**ASK, "stream": True}) as response,
    ):
        lines = response.aiter_lines()
        async with asyncio.timeout(20):
            assert (await anext(lines)).startswith(":")
            waited.set()
            told = [line async for line in _until_broken(lines) if line.startswith("data: ")]
    assert '"context_length_exceeded"' in told[-1]


async def _until_broken(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    with contextlib.suppress(httpx2.RemoteProtocolError):
        async for line in lines:
            yield line


@pytest.mark.requirement("M27")
@pytest.mark.parametrize("streamed", [True, False])
async def test_parallel_calls_of_a_cut_answer_are_asked_for_again_and_come_once(
    tmp_path: Path, *, streamed: bool
) -> None:
    half = [Text("I look. "), ToolCallPiece(20), ToolCall("charge", '{"amount": 1}'), ModelUnavailableError("down")]
    calls = [ToolCall("charge", '{"amount": 1}'), ToolCall("charge", '{"amount": 2}'), Finish("tool_calls")]
    async with faced(tmp_path, FakeUpstream(half), FakeUpstream(calls)) as face:
        answer = await face.ask(stream=streamed, **TOOLS)
    if streamed:
        events = chunks(answer)
        got = [call for event in events for call in event["choices"][0]["delta"].get("tool_calls", ())]
        assert [call["index"] for call in got] == [0, 1]
        finish = events[-1]["choices"][0]["finish_reason"]
    else:
        [choice] = answer.json()["choices"]
        got, finish = choice["message"]["tool_calls"], choice["finish_reason"]
    assert [call["function"]["arguments"] for call in got] == ['{"amount": 1}', '{"amount": 2}']
    assert len({call["id"] for call in got}) == 2
    assert finish == "tool_calls"
