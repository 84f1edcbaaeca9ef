"""`/v1` in OpenAI's shapes, over fake models."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.unit.api.openai import ASK, chunks, faced
from tests.unit.llm.fakes import FakeUpstream, hold, says
from yaoki.api import ApiPolicy
from yaoki.errors import ModelMalformedError, ModelUnavailableError
from yaoki.llm.deltas import Finish, Reasoning, Text, ToolCall, Usage
from yaoki.llm.failures import status_error

COUNTS = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "prompt_tokens_details": {"cached_tokens": 2}}


async def test_a_whole_answer(tmp_path: Path) -> None:
    upstream = FakeUpstream([Reasoning("Hm.", "reasoning"), Text("Seven ships."), Usage(3, 4, COUNTS), Finish("stop")])
    async with faced(tmp_path, upstream) as face:
        answer = await face.ask()
    body = answer.json()
    assert body["object"] == "chat.completion"
    assert body["id"].startswith("chatcmpl-")
    assert body["model"] == "one"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Seven ships.", "refusal": None, "reasoning": "Hm."},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert body["usage"] == COUNTS
    assert body["yaoki"] == {
        "models": ["a"],
        "failovers": [],
        "continued": 0,
        "restarted": 0,
        "left_out": 0,
        "cached": False,
        "usage_estimated": False,
        "spending": {"input_tokens": 3, "output_tokens": 4, "requests": 1},
    }
    assert (answer.headers["x-yaoki-model"], answer.headers["x-yaoki-failovers"]) == ("a", "0")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_streamed_answer_ends_in_its_reason_its_counts_and_its_story(tmp_path: Path) -> None:
    upstream = FakeUpstream([Text("Seven "), Text("ships."), Usage(3, 4, COUNTS), Finish("stop")])
    async with faced(tmp_path, upstream) as face:
        answer = await face.ask(stream=True, stream_options={"include_usage": True})
    *texts, finish, usage = chunks(answer)
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in texts) == "Seven ships."
    assert texts[0]["choices"][0]["delta"]["role"] == "assistant"
    assert len({chunk["id"] for chunk in (*texts, finish, usage)}) == 1
    assert finish["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    assert (usage["choices"], usage["usage"]) == ([], COUNTS)
    assert finish["yaoki"] == usage["yaoki"]
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_counts_come_only_where_they_are_wanted(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream([Text("Seven."), Usage(3, 4), Finish("stop")])) as face:
        answer = await face.ask(stream=True)
    assert all("usage" not in chunk for chunk in chunks(answer))


async def test_a_failover_is_told_in_headers_and_body(tmp_path: Path) -> None:
    first = FakeUpstream([Text("Seven big "), ModelUnavailableError("down")])
    async with faced(tmp_path, first, FakeUpstream(says(" ships."))) as face:
        whole = await face.ask()
    body = whole.json()
    assert body["choices"][0]["message"]["content"] == "Seven big ships."
    assert body["yaoki"]["models"] == ["a", "b"]
    assert body["yaoki"]["failovers"] == [{"from": "a", "to": "b", "kind": "model.unavailable", "at_char": 9}]
    assert (whole.headers["x-yaoki-model"], whole.headers["x-yaoki-failovers"]) == ("a, b", "1")
    assert whole.headers["x-yaoki-continued"] == "1"


async def test_calls_are_whole_with_ids_of_ours_and_their_finish_word(tmp_path: Path) -> None:
    call = ToolCall("charge", '{"amount": 12}', details={"extra_content": {"s": 1}})
    async with faced(tmp_path, FakeUpstream([call, Finish("stop")])) as face:
        whole = (await face.ask()).json()["choices"][0]
        streamed = chunks(await face.ask(stream=True))
    [got] = whole["message"]["tool_calls"]
    assert got["function"] == {"name": "charge", "arguments": '{"amount": 12}'}
    assert got["id"].startswith("call_")
    assert got["extra_content"] == {"s": 1}
    assert (whole["message"]["content"], whole["finish_reason"]) == (None, "tool_calls")
    assert streamed[0]["choices"][0]["delta"]["tool_calls"][0]["index"] == 0
    assert streamed[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert streamed[-1]["yaoki"]["models"] == ["a"]


async def test_a_custom_tools_call_keeps_its_shape(tmp_path: Path) -> None:
    call = ToolCall("run", "print(1)", details={"type": "custom"})
    async with faced(tmp_path, FakeUpstream([call, Finish("tool_calls")])) as face:
        [got] = (await face.ask()).json()["choices"][0]["message"]["tool_calls"]
    assert got == {"type": "custom", "id": got["id"], "custom": {"name": "run", "input": "print(1)"}}


@pytest.mark.requirement("M19")
async def test_a_refusal_stands_in_the_field_for_it(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream([Reasoning("No.", "refusal"), Finish("content_filter")])) as face:
        [choice] = (await face.ask()).json()["choices"]
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": "No."}
    assert choice["finish_reason"] == "content_filter"


async def test_what_no_utf8_can_hold_passes(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(says("half \ud83d of it"))) as face:
        answer = await face.ask()
    assert json.loads(answer.text)["choices"][0]["message"]["content"] == "half \ud83d of it"


async def test_models_are_listed_and_found(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(says("x"))) as face:
        listed = (await face.http.get("/v1/models")).json()
        found = (await face.http.get("/v1/models/two")).json()
        missing = await face.http.get("/v1/models/none")
    assert [model["id"] for model in listed["data"]] == ["one", "two"]
    assert found["object"] == "model"
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "configuration.unknown_model")


@pytest.mark.parametrize(
    "more, status, field",
    [
        ({"n": 2}, 400, "n"),
        ({"n": True}, 400, "n"),
        ({"messages": []}, 400, "messages"),
        ({"messages": "hello"}, 400, "messages"),
        ({"messages": [{"content": "hello"}]}, 400, "messages.0"),
        ({"model": None}, 400, "model"),
        ({"model": "gpt-9"}, 404, "model"),
        ({"logprobs": True}, 400, "logprobs"),
        ({"functions": [{}]}, 400, "functions"),
        ({"modalities": ["text", "audio"]}, 400, "modalities"),
        ({"stream": "yes"}, 400, "stream"),
        ({"stream_options": True}, 400, "stream_options"),
        ({"response_format": "json"}, 400, "response_format"),
        ({"tools": {}}, 400, "tools"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_completion_tokens": 1.5}, 400, "max_completion_tokens"),
    ],
)
async def test_what_cannot_be_served_is_refused_by_field(
    tmp_path: Path, more: dict[str, Any], status: int, field: str
) -> None:
    async with faced(tmp_path, FakeUpstream(says("x"))) as face:
        answer = await face.ask(**more)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, field)
    assert error["type"] in ("invalid_request_error", "not_found_error")
    assert face.upstreams[0].asked == []


@pytest.mark.parametrize("raw", [b"[" * 100_000, b"9" * 100_000, b"\xff", b"{", b"[]"])
async def test_what_is_no_json_object_is_refused_in_openais_shape(tmp_path: Path, raw: bytes) -> None:
    async with faced(tmp_path, FakeUpstream(says("x"))) as face:
        answer = await face.http.post("/v1/chat/completions", content=raw, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("streamed", [True, False])
async def test_json_almost_too_deep_to_be_read_is_answered_or_refused(tmp_path: Path, *, streamed: bool) -> None:
    async with faced(tmp_path, FakeUpstream(says("Seven ships."))) as face:
        for depth in range(850, 1_000, 5):
            deep = "[" * depth + "]" * depth
            raw = json.dumps({**ASK, "stream": streamed, "x": "…"}).replace(json.dumps("…"), deep)
            headers = {"content-type": "application/json"}
            answer = await face.http.post("/v1/chat/completions", content=raw, headers=headers)
            assert answer.status_code in (200, 400), depth


async def test_a_request_that_no_model_takes_is_refused_with_the_providers_reason(tmp_path: Path) -> None:
    body = {"error": {"message": "Invalid schema, key sk-abcdefghijklmnopqrstuvwx", "type": "invalid_request_error"}}
    error = status_error(400, {}, json.dumps(body).encode())
    assert isinstance(error, ModelMalformedError)
    async with faced(tmp_path, FakeUpstream([error])) as face:
        answer = await face.ask()
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("No model takes this request: Invalid schema")
    assert "sk-abc" not in answer.text


@pytest.mark.requirement("X3")
async def test_the_guards_stand_here_too_and_speak_openai(tmp_path: Path) -> None:
    policy = ApiPolicy(v1_body_bytes=2_000)
    async with faced(tmp_path, FakeUpstream(says("x")), policy=policy) as face:
        large = await face.ask(padding="x" * 4_000)
        strange = await face.http.post("/v1/chat/completions", json=ASK, headers={"host": "evil.example"})
        foreign = await face.http.post("/v1/chat/completions", json=ASK, headers={"origin": "https://evil.example"})
        form = await face.http.post("/v1/chat/completions", data={"a": "b"})
        lost = await face.http.get("/v1/embeddings")
    codes = [answer.status_code for answer in (large, strange, foreign, form, lost)]
    assert codes == [413, 403, 403, 415, 404]
    assert all(answer.json()["error"]["message"] for answer in (large, strange, foreign, form, lost))


async def test_a_client_that_leaves_ends_its_upstreams_request(tmp_path: Path) -> None:
    for streamed in (True, False):
        upstream = FakeUpstream([Text("Seven big "), hold])
        async with faced(tmp_path, upstream) as face:
            request = face.http.build_request("POST", "/v1/chat/completions", json={**ASK, "stream": streamed})
            asking = asyncio.create_task(face.http.send(request, stream=True))
            await face.served.until(lambda upstream=upstream: upstream.open == 1)
            asking.cancel()
            answered = (await asyncio.gather(asking, return_exceptions=True))[0]
            if isinstance(answered, httpx2.Response):
                await answered.aclose()
            await face.served.until(lambda upstream=upstream: upstream.open == 0)


async def test_who_waits_for_a_model_hears_that_the_stream_is_alive(tmp_path: Path) -> None:
    async with (
        faced(tmp_path, FakeUpstream([hold])) as face,
        face.http.stream("POST", "/v1/chat/completions", json={**ASK, "stream": True}) as response,
    ):
        lines = response.aiter_lines()
        async with asyncio.timeout(20):
            assert (await anext(lines)).startswith(":")
        await lines.aclose()


@pytest.mark.requirement("P5")
async def test_a_server_that_stops_says_so_inside_the_stream(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream([Text("Seven big "), hold])) as face:
        async with face.http.stream("POST", "/v1/chat/completions", json={**ASK, "stream": True}) as response:
            lines = response.aiter_lines()
            await anext(lines)
            face.served.app.state.closing.set()
            told = [await anext(lines), await anext(lines), await anext(lines)]
            with pytest.raises(httpx2.RemoteProtocolError):
                await anext(lines)
        error = json.loads("".join(told).removeprefix("data: "))["error"]
        assert error["code"] == "resource.overloaded"


async def test_a_draining_server_takes_no_more(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(says("x"))) as face:
        face.served.orchestrator.draining = True
        answer = await face.ask()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
