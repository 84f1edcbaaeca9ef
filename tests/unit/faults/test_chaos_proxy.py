"""The proxy that gives an upstream's own answers, hit by faults: what passes, what is hit, and what is counted."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.unit.faults.raw_client import events, exchange, text_and_finish
from yaoki.errors import ConfigurationSettingError
from yaoki.faults import FAULTS, Script
from yaoki.faults.chaos_proxy import ChaosProxy
from yaoki.faults.raw_http import Request
from yaoki.faults.recording import Recording
from yaoki.faults.script import PROBE
from yaoki.faults.sets import DEFAULT, SETS, chosen, members

TEXT = "Seven ships pass; 東京から来ました, says the cook, and waves 👩‍🚀 from the stern. Then two tugs, and silence."
KEY = "sk-of-a-client-0123456789"


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {"id": "up-1", "object": "chat.completion.chunk", "created": 7, "model": "real", "choices": [choice], **more}


def streamed(*chunks: dict[str, Any]) -> Recording:
    body = "".join(f"data: {json.dumps(one)}\n\n" for one in chunks) + "data: [DONE]\n\n"
    return Recording(200, "text/event-stream", body.encode())


def whole(message: dict[str, Any], finish: str = "stop") -> Recording:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    body = {"id": "up-1", "object": "chat.completion", "created": 7, "model": "real", "choices": [choice]}
    return Recording(200, "application/json", json.dumps(body).encode())


CALL = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "pay", "arguments": "{}"}}]}
CHUNKS = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "Hm."}),
    *(chunk({"content": TEXT[start : start + 17]}) for start in range(0, len(TEXT), 17)),
    chunk({}, "stop"),
    {**chunk({}), "choices": [], "usage": {"total_tokens": 12}},
)
OTHER = Recording(200, "application/json", b'{"data": ["real"]}')
ANSWER, DOCUMENT = streamed(*CHUNKS), whole({"content": TEXT})
CALLING = streamed(chunk({"role": "assistant", "content": None}), chunk(CALL), chunk({}, "tool_calls"))


@dataclass
class Canned:
    """An upstream that always says the same."""

    stream: Recording = ANSWER
    document: Recording = DOCUMENT
    other: Recording = OTHER
    asked: list[Request] = field(default_factory=list[Request])

    async def ask(self, request: Request) -> Recording:
        self.asked.append(request)
        if request.path != "/chat/completions":
            return self.other
        return self.stream if request.json().get("stream") else self.document


async def test_a_healthy_stream_passes_chunk_for_chunk() -> None:
    async with ChaosProxy(Canned()) as proxy:
        passage = await proxy.play(Script())
        taken = await exchange(proxy.base_url)
    assert [json.loads(one) for one in events(taken.body)[:-1]] == list(CHUNKS)
    assert events(taken.body)[-1] == "[DONE]"
    assert (passage.answers, passage.asked, passage.fired) == ([TEXT], 1, 0)


async def test_a_healthy_document_passes_as_it_is() -> None:
    async with ChaosProxy(Canned()) as proxy:
        passage = await proxy.play(Script())
        taken = await exchange(proxy.base_url, stream=False)
    assert json.loads(taken.body) == json.loads(DOCUMENT.body)
    assert passage.answers == [TEXT]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_tool_call_passes_with_its_own_finish_reason(stream: bool) -> None:
    message = {"content": None, "tool_calls": CALL["tool_calls"]}
    async with ChaosProxy(Canned(CALLING, whole(message, "tool_calls"))) as proxy:
        passage = await proxy.play(Script())
        taken = await exchange(proxy.base_url, stream=stream)
    assert b'"name": "pay"' in taken.body
    assert b'"finish_reason": "tool_calls"' in taken.body
    assert passage.answers == [""]


@pytest.mark.parametrize("fault", ["cut_mid_stream", "empty", "length", "error_event"])
async def test_a_fault_before_a_tool_call_lets_none_of_it_pass(fault: str) -> None:
    async with ChaosProxy(Canned(CALLING)) as proxy:
        passage = await proxy.play(Script(fault=fault, times=1))
        taken = await exchange(proxy.base_url)
    assert passage.fired == 1
    assert b"pay" not in taken.body


@pytest.mark.parametrize("at", [0, 1, 16, 17, 18, 40, len(TEXT) - 1, len(TEXT)])
async def test_the_cut_is_where_it_was_asked_for_in_the_upstreams_own_words(at: int) -> None:
    async with ChaosProxy(Canned()) as proxy:
        passage = await proxy.play(Script(fault="cut_mid_stream", at=at, times=1))
        cut, healed = await exchange(proxy.base_url), await exchange(proxy.base_url)
    assert text_and_finish(cut.body) == (TEXT[:at], None)
    assert text_and_finish(healed.body) == (TEXT, "stop")
    assert (passage.fired, passage.hurt, passage.answers) == (1, [TEXT], [TEXT, TEXT])


async def test_what_a_play_adds_carries_the_upstreams_id_and_model() -> None:
    async with ChaosProxy(Canned()) as proxy:
        await proxy.play(Script(fault="repeating"))
        taken = await exchange(proxy.base_url, enough=40_000)
    chunks = [json.loads(one) for one in events(taken.body.rpartition(b"\n\n")[0])]
    assert {(one["id"], one["model"], one["created"]) for one in chunks} == {("up-1", "real", 7)}


async def test_a_finish_reason_beside_the_last_words_is_not_given_with_them() -> None:
    both = streamed(chunk({"role": "assistant", "content": TEXT}, "stop", usage={"total_tokens": 3}))
    async with ChaosProxy(Canned(both)) as proxy:
        await proxy.play(Script(fault="cut_after_last_word"))
        taken = await exchange(proxy.base_url)
    assert text_and_finish(taken.body) == (TEXT, None)


@pytest.mark.parametrize("stream", [True, False])
async def test_every_fault_fires_once_and_heals(stream: bool) -> None:
    async def hit(name: str) -> str:
        async with ChaosProxy(Canned()) as proxy:
            passage = await proxy.play(Script(fault=name, times=1, pause_s=0.02))
            first = asyncio.create_task(exchange(proxy.base_url, stream=stream, quiet_s=20, within_s=20))
            async with asyncio.timeout(20):
                while not passage.fired:
                    await asyncio.sleep(0.01)
            second = await exchange(proxy.base_url, stream=stream, quiet_s=20, within_s=20)
            first.cancel()
            await asyncio.wait({first})
            healed = text_and_finish(second.body) == (TEXT, "stop")
            return "" if (passage.fired, healed) == (1, True) else f"{passage} {second}"

    names = [name for name in FAULTS if name != "refused"]
    said = await asyncio.gather(*map(hit, names))
    assert {name: what for name, what in zip(names, said, strict=True) if what} == {}


@pytest.mark.parametrize(
    "fault, text, finish",
    [("length", TEXT[:5], "length"), ("filtered", TEXT[:5], "content_filter"), ("empty", "", "stop")],
)
async def test_a_document_ends_as_the_fault_says(fault: str, text: str, finish: str) -> None:
    async with ChaosProxy(Canned()) as proxy:
        await proxy.play(Script(fault=fault, at=5))
        taken = await exchange(proxy.base_url, stream=False)
    assert text_and_finish(taken.body) == (text, finish)


@pytest.mark.parametrize(
    "broken, trouble",
    [
        (Recording(401, "application/json", b'{"error": {}}'), "status 401"),
        (Recording(200, "text/event-stream", ANSWER.body.partition(b'"stop"')[0]), "no finish reason"),
        (Recording(502, "application/json", b"{}", broken="not reachable (ConnectError)"), "not reachable"),
        (Recording(200, "text/html", b"<html>"), "no finish reason"),
    ],
)
async def test_an_upstream_in_trouble_is_passed_on_and_no_fault_claimed(broken: Recording, trouble: str) -> None:
    async with ChaosProxy(Canned(broken)) as proxy:
        passage = await proxy.play(Script(fault="cut_mid_stream"))
        taken = await exchange(proxy.base_url)
    assert (taken.status, taken.body) == (broken.status, broken.body)
    assert trouble in passage.troubles[0]
    assert (passage.fired, passage.answers, passage.hurt) == (0, [], [])


@pytest.mark.parametrize("choices", [None, 7, "none", [7], [None], [{}], [{"index": 0, "delta": 3, "message": None}]])
def test_an_upstream_that_speaks_nonsense_is_no_whole_answer(choices: object) -> None:
    body = json.dumps({"choices": choices}).encode()
    for recording in (Recording(200, "", body), Recording(200, "", b"data: " + body + b"\n\n")):
        assert (recording.text, recording.finish, recording.trouble) == ("", "", "no finish reason")


async def test_a_probe_for_prefill_does_not_use_up_the_fault() -> None:
    probe = [{"role": "user", "content": "?"}, {"role": "assistant", "content": PROBE}]
    async with ChaosProxy(Canned()) as proxy:
        passage = await proxy.play(Script(fault="http_500", times=1))
        assert (await exchange(proxy.base_url, probe)).status == 200
        assert (await exchange(proxy.base_url)).status == 500
    assert (passage.asked, passage.others, passage.fired) == (1, 1, 1)


async def test_what_is_no_chat_completion_is_passed_on() -> None:
    upstream = Canned()
    async with ChaosProxy(upstream) as proxy:
        passage = await proxy.play(Script(fault="http_500"))
        taken = await exchange(proxy.base_url, path="/v1/embeddings?dimensions=3")
    assert taken.body == OTHER.body
    assert (upstream.asked[0].path, upstream.asked[0].query) == ("/embeddings", "dimensions=3")
    assert (passage.asked, passage.others) == (0, 1)


async def test_a_new_script_ends_what_is_under_way() -> None:
    async with ChaosProxy(Canned()) as proxy:
        passage = await proxy.play(Script(fault="never_answers"))
        hanging = asyncio.create_task(exchange(proxy.base_url, quiet_s=20, within_s=20))
        async with asyncio.timeout(10):
            while not passage.fired:
                await asyncio.sleep(0.01)
        await proxy.play(Script())
        assert (await hanging).end == "closed"
        assert text_and_finish((await exchange(proxy.base_url)).body) == (TEXT, "stop")


async def test_keys_are_known_so_that_they_can_be_kept_out_of_reports() -> None:
    async with ChaosProxy(Canned()) as proxy:
        passage = await proxy.play(Script())
        reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.base_url.split(":")[2].split("/")[0]))
        writer.write(f"GET /v1/models HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert passage.secrets == {KEY}


def test_sets_hold_what_they_say() -> None:
    assert {fault.name for fault in members("all")} == {
        fault.name
        for fault in FAULTS.values()
        if not fault.healthy and fault.name != "refused" and fault.row not in ("M20", "M21", "M26", "M27")
    }
    assert all(members(name) for name in SETS)
    assert [fault.name for fault in chosen("default")] == list(DEFAULT)
    assert [fault.name for fault in chosen("html, M18,html")] == ["html", "length", "length_max_tokens", "length_upper"]


@pytest.mark.parametrize(
    "words, said", [("cutt_mid", "There is no fault"), ("", "at least one"), ("refused", "closes_at")]
)
def test_a_fault_that_cannot_be_played_is_refused(words: str, said: str) -> None:
    with pytest.raises(ConfigurationSettingError, match=said):
        chosen(words)
