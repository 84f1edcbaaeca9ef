"""The judges of the wires that do not speak OpenAI, and the watcher that asks them, without a socket."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.faults.dialects import DIALECTS
from yaoki.errors import AIOrchestrationError, ModelMalformedError, ModelTruncatedError
from yaoki.llm.streams import dialects
from yaoki.llm.streams.dialects import Judge, Mark
from yaoki.llm.streams.sdk_watch import WatchedEvents, WatchedTransport

JUDGES: dict[str, Judge] = {
    "google": dialects.google,
    "groq": dialects.chat,
    "mistral": dialects.chat,
    "cohere": dialects.cohere,
}
SPOKEN = pytest.mark.parametrize("name", JUDGES)


def event(data: Any) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


@SPOKEN
def test_an_answer_is_finished_by_its_terminator_and_by_nothing_else(name: str) -> None:
    spoken, watched = DIALECTS[name], WatchedEvents(JUDGES[name])
    for piece in (spoken.begin(), spoken.ping(), spoken.text("One"), *spoken.call(1, "charge", {"amount": 12})):
        list(watched.feed(piece))
        assert not watched.finished
    list(watched.feed(spoken.end(spoken.words["stop"])))
    assert watched.finished


@SPOKEN
def test_bytes_may_come_one_by_one_and_comments_are_kept_from_the_sdk(name: str) -> None:
    spoken, watched = DIALECTS[name], WatchedEvents(JUDGES[name])
    whole = b": hello\n\n" + spoken.text("Über Bord") + b": still here\n\n"
    passed = b"".join(part for at in range(len(whole)) for part in watched.feed(whole[at : at + 1]))
    assert b"hello" not in passed
    assert b"still" not in passed
    [data] = [line for line in passed.decode().splitlines() if line.startswith("data: ")]
    assert json.loads(data.removeprefix("data: ")) == json.loads(
        next(line for line in spoken.text("Über Bord").decode().splitlines() if line.startswith("data: "))[6:]
    )


@SPOKEN
def test_what_ends_without_a_terminator_was_cut(name: str) -> None:
    spoken, watched = DIALECTS[name], WatchedEvents(JUDGES[name])
    list(watched.feed(spoken.text("One") + spoken.text("two")[:20]))
    with pytest.raises(ModelTruncatedError):
        list(watched.close())


@pytest.mark.parametrize("name", ["google", "groq", "mistral"])
def test_a_terminator_after_which_the_answer_goes_on_was_none(name: str) -> None:
    spoken, watched = DIALECTS[name], WatchedEvents(JUDGES[name])
    list(watched.feed(spoken.end(spoken.words["stop"])))
    list(watched.feed(spoken.text(" and on")))
    assert not watched.finished
    with pytest.raises(ModelTruncatedError):
        list(watched.close())


@pytest.mark.parametrize("name", ["groq", "mistral"])
def test_done_without_a_finish_reason_is_a_cut(name: str) -> None:
    watched = WatchedEvents(JUDGES[name])
    with pytest.raises(ModelTruncatedError):
        list(watched.feed(DIALECTS[name].close()))


@SPOKEN
def test_what_came_in_the_same_read_before_a_fault_is_handed_on_first(name: str) -> None:
    spoken, watched = DIALECTS[name], WatchedEvents(JUDGES[name])
    fed = watched.feed(spoken.text("One") + b"data: {not json\n\n")
    assert b"One" in next(fed)
    with pytest.raises(ModelMalformedError):
        next(fed)


@SPOKEN
def test_after_the_terminator_nothing_is_a_fault(name: str) -> None:
    spoken, watched = DIALECTS[name], WatchedEvents(JUDGES[name])
    assert len(list(watched.feed(spoken.end(spoken.words["stop"]) + b"data: {not json\n\n"))) == 1
    assert watched.complete
    list(watched.close())


@pytest.mark.parametrize(
    "judge, said, kind",
    [
        (dialects.google, {"error": {"code": 503, "status": "UNAVAILABLE"}}, "model.overloaded"),
        (dialects.chat, {"error": {"type": "overloaded_error"}}, "model.overloaded"),
        (dialects.chat, {"object": "error", "type": "rate_limit_error", "code": "1300"}, "model.rate_limited"),
        (dialects.cohere, {"type": "message-end", "delta": {"finish_reason": "ERROR"}}, "model.unavailable"),
        (dialects.anthropic, {"type": "error", "error": {"type": "overloaded_error"}}, "model.overloaded"),
    ],
)
def test_an_error_inside_the_stream_keeps_its_kind(judge: Judge, said: Any, kind: str) -> None:
    with pytest.raises(AIOrchestrationError) as raised:
        list(WatchedEvents(judge).feed(event(said)))
    assert raised.value.kind == kind


@pytest.mark.requirement("M19")
def test_a_question_that_google_blocks_is_answered_by_that() -> None:
    watched = WatchedEvents(dialects.google)
    list(watched.feed(event({"promptFeedback": {"blockReason": "SAFETY"}})))
    list(watched.close())


@pytest.mark.parametrize("judge", [dialects.anthropic, *JUDGES.values()])
@pytest.mark.parametrize(
    "odd", [None, 3, [], {}, {"choices": []}, {"candidates": [None]}, {"type": 7}, {"error": None}]
)
def test_what_no_dialect_knows_means_nothing(judge: Judge, odd: Any) -> None:
    assert judge(odd) is Mark.PLAIN


@pytest.mark.parametrize("encoding, pack", [("gzip", gzip.compress), ("deflate", zlib.compress), ("", bytes)])
async def test_what_is_packed_unasked_is_unpacked(encoding: str, pack: Any) -> None:
    spoken = DIALECTS["google"]
    packed = pack(spoken.text("One") + spoken.end("STOP"))

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.headers["accept-encoding"] == "identity"
        headers = {"content-encoding": encoding} if encoding else {}
        return httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(packed))

    assert b"One" in await fetched(answer)


async def test_what_cannot_be_unpacked_is_refused() -> None:
    with pytest.raises(ModelMalformedError):
        await fetched(
            lambda _: httpx2.Response(200, headers={"content-encoding": "br"}, stream=httpx2.ByteStream(b"?"))
        )
    with pytest.raises(ModelMalformedError):
        await fetched(
            lambda _: httpx2.Response(
                200, headers={"content-encoding": "gzip"}, stream=httpx2.ByteStream(b"not packed")
            )
        )


async def fetched(answer: Callable[[httpx2.Request], httpx2.Response]) -> bytes:
    transport = WatchedTransport(httpx2.MockTransport(answer), dialects.google)
    async with httpx2.AsyncClient(transport=transport, trust_env=False) as http:
        return (await http.post("http://provider.test/")).content
