"""Answers at `/v1` that were given before: when they stand in, for whom, and how that is said."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.unit.api.openai import ASK, chunks, faced
from tests.unit.llm.fakes import FakeUpstream, says
from yaoki.api import ApiPolicy
from yaoki.errors import ModelContextOverflowError, ModelUnavailableError
from yaoki.llm.deltas import Finish, Text, ToolCall

DOWN = ModelUnavailableError("down")


def once(*lines: Any) -> FakeUpstream:
    """A model that answers once, and is down from then on."""
    return FakeUpstream(list(lines) or says("Seven ships."), [DOWN])


async def take_all(response: httpx2.Response, lines: list[str]) -> None:
    """Every line with something in it, to the end of the stream."""
    async for line in response.aiter_lines():
        lines += [line] if line else []


@pytest.mark.requirement("M25")
@pytest.mark.parametrize("first, then", [(False, False), (True, False), (False, True)])
async def test_when_everything_is_down_the_same_request_gets_its_earlier_answer(
    tmp_path: Path, *, first: bool, then: bool
) -> None:
    async with faced(tmp_path, once(), policy=ApiPolicy()) as face:
        await face.ask(stream=first, user="somebody")
        answer = await face.ask(stream=then)
    assert answer.status_code == 200
    assert (answer.headers["x-yaoki-cached"], answer.headers["age"], answer.headers["x-yaoki-model"]) == (
        "true",
        "0",
        "a",
    )
    if then:
        text, finish = chunks(answer)
        assert text["choices"][0]["delta"] == {"role": "assistant", "content": "Seven ships."}
        assert finish["choices"][0]["finish_reason"] == "stop"
        story = finish["yaoki"]
    else:
        body = answer.json()
        assert body["choices"][0]["message"]["content"] == "Seven ships."
        assert body["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        story = body["yaoki"]
    assert (story["cached"], story["models"]) == (True, ["a"])
    assert story["cached_age_s"] >= 0


@pytest.mark.requirement("M25")
async def test_half_an_answer_that_nobody_saw_gives_way_to_an_earlier_one(tmp_path: Path) -> None:
    upstream = FakeUpstream(says("Seven ships."), [Text("Perhaps eight or "), DOWN], [DOWN])
    async with faced(tmp_path, upstream) as face:
        await face.ask()
        whole = await face.ask()
    assert whole.json()["choices"][0]["message"]["content"] == "Seven ships."
    assert whole.json()["yaoki"]["restarted"] == 0


@pytest.mark.requirement("M25", "P-2")
async def test_half_an_answer_that_was_sent_is_never_followed_by_an_earlier_one(tmp_path: Path) -> None:
    upstream = FakeUpstream(says("Seven ships."), [Text("Perhaps eight or "), DOWN], [DOWN])
    async with faced(tmp_path, upstream) as face:
        await face.ask()
        async with face.http.stream("POST", "/v1/chat/completions", json={**ASK, "stream": True}) as response:
            lines: list[str] = []
            with pytest.raises(httpx2.RemoteProtocolError):
                await take_all(response, lines)
    assert "Perhaps" in lines[0]
    assert "model.all_failed" in lines[-1]
    assert not any("Seven" in line for line in lines)


@pytest.mark.requirement("M25")
@pytest.mark.parametrize(
    "kept, asked",
    [
        pytest.param({}, {"temperature": 0.5}, id="another parameter"),
        pytest.param({}, {"model": "two", "seed": 1}, id="another seed"),
        pytest.param({}, {"messages": [{"role": "user", "content": "How many boats?"}]}, id="another question"),
        pytest.param({"headers": {"cache-control": "no-store"}}, {}, id="kept against its will"),
        pytest.param({}, {"headers": {"cache-control": "no-cache"}}, id="used against its will"),
        pytest.param({"tools": [{"type": "function"}]}, {"tools": [{"type": "function"}]}, id="tools"),
    ],
)
async def test_no_other_request_gets_it_and_none_that_forbids_it(
    tmp_path: Path, kept: dict[str, Any], asked: dict[str, Any]
) -> None:
    async with faced(tmp_path, once()) as face:
        assert (await face.ask(**kept)).status_code == 200
        answer = await face.ask(**asked)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.requirement("M25")
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([Text("Seven "), Finish("length")], id="cut off"),
        pytest.param([Text("Seven "), Finish("content_filter")], id="filtered"),
        pytest.param([ToolCall("charge", "{}"), Finish("tool_calls")], id="a call"),
    ],
)
async def test_what_is_no_whole_answer_is_not_kept(tmp_path: Path, lines: list[Any]) -> None:
    async with faced(tmp_path, once(*lines)) as face:
        assert (await face.ask()).status_code == 200
        assert (await face.ask()).status_code == 503


@pytest.mark.requirement("M25", "M22")
async def test_a_request_that_no_model_takes_is_refused_all_the_same(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(says("Seven."), [ModelContextOverflowError("too long")])) as face:
        await face.ask()
        assert (await face.ask()).status_code == 400


@pytest.mark.requirement("M25")
async def test_nobody_gets_what_another_owner_was_told(tmp_path: Path) -> None:
    async with faced(tmp_path, once(), keys_required=True) as face:
        ann, bob = await face.key("ann"), await face.key("bob")
        assert (await face.ask(ann)).status_code == 200
        assert (await face.ask(bob)).status_code == 503
        assert (await face.ask(ann)).headers["x-yaoki-cached"] == "true"
