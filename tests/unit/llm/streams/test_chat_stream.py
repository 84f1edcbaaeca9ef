"""What a body says: chunks, faults, and ends."""

import json
from typing import Any

import pytest

from yaoki.errors import (
    AIOrchestrationError,
    ModelMalformedError,
    ModelOverloadedError,
    ModelRateLimitedError,
    ModelTruncatedError,
    ModelUnavailableError,
)
from yaoki.llm.streams.chat_stream import ChatStream, Chunk
from yaoki.llm.streams.finish_words import finish_reason
from yaoki.llm.streams.sse import MAX_EVENT_BYTES


def event(delta: Any = None, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}
    return f"data: {json.dumps({'id': 'x', 'choices': [choice], **more})}\n\n".encode()


def told(*raw: bytes) -> tuple[str, ChatStream]:
    chat = ChatStream()
    chunks: list[Chunk] = [chunk for piece in raw for chunk in chat.feed(piece)]
    chunks += chat.close()
    if chat.fault is not None:
        raise chat.fault
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices), chat


STOP = event(finish="stop")
HI = event({"content": "Hi"})
BROKEN_CHOICE = b'data: {"choices": [{"delta": {}, "error": {"code": 503}, "finish_reason": "stop"}]}\n\n'


@pytest.mark.requirement("M28")
@pytest.mark.parametrize(
    "raw",
    [
        [HI, STOP],
        [HI, STOP, b"data: [DONE]\n\n"],
        [event({"content": "Hi"}, "stop")],
        [HI, STOP, b'data: {"error": "late"}\n\n', b"data: {nonsense\n\n"],
        [HI, event(finish="stop", usage={"prompt_tokens": 1})],
        [HI, STOP, b'data: {"choices": [], "usage": {"prompt_tokens": 1}}\n\n'],
        [HI, b'data: {"choices": null}\n\n', b'data: {"choices": []}\n\n', STOP],
        [HI, b'data: {"choices": [{"index": 1, "delta": {"content": "No"}, "finish_reason": "stop"}]}\n\n', STOP],
        [event({"content": "H"}, "null"), event({"content": "i"}, "None"), event(finish=" "), STOP],
        [event({"content": None}), HI, event({"content": ""}), STOP],
        [b"\n \n" + HI, STOP],
        [b"data:\n\n", HI, b"data: \n\n", STOP],
        [HI + STOP[:-2]],
    ],
)
def test_odd_but_whole(raw: list[bytes]) -> None:
    text, chat = told(*raw)
    assert text == "Hi"
    assert chat.finished


@pytest.mark.requirement("M28")
def test_content_as_a_list_of_parts_passes() -> None:
    chat = ChatStream()
    [chunk] = chat.feed(event({"content": [{"type": "text", "text": "Hi"}]}))
    assert chunk["choices"][0]["delta"]["content"] == [{"type": "text", "text": "Hi"}]


@pytest.mark.requirement("M28")
def test_a_whole_completion_is_an_answer() -> None:
    body = {"id": "x", "choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
    assert told(b"\n\n", json.dumps(body).encode())[0] == "Hi"


def test_calls_of_a_whole_completion_are_numbered() -> None:
    calls = [{"id": "1", "function": {"name": "a", "arguments": "{}"}}, {"id": "2", "function": {"name": "b"}}]
    body = {"choices": [{"message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]}
    chat = ChatStream()
    [chunk] = [*chat.feed(json.dumps(body).encode()), *chat.close()]
    assert [call["index"] for call in chunk["choices"][0]["delta"]["tool_calls"]] == [0, 1]


@pytest.mark.requirement("P-2")
@pytest.mark.parametrize(
    "raw,error,fault",
    [
        ([HI], ModelTruncatedError, "cut"),
        ([], ModelTruncatedError, "cut"),
        ([HI, b"data: [DONE]\n\n"], ModelTruncatedError, "cut_done"),
        ([HI, event(finish="null")], ModelTruncatedError, "cut"),
        ([b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "None"}]}'], ModelTruncatedError, "cut"),
        ([HI, b'event: error\ndata: {"message": "x"}\n\n', STOP], ModelUnavailableError, "error_event"),
        ([HI, b'event: error\ndata: {"error": {"code": 503}}\n\n', STOP], ModelOverloadedError, "error_event"),
        ([HI, b"event: error\n\n", STOP], ModelUnavailableError, "error_event"),
        ([HI, BROKEN_CHOICE], ModelOverloadedError, "error_event"),
        ([HI, event(finish="error")], ModelTruncatedError, "broken_finish"),
        ([b'{"choices": [{"message": {"content": "Hi"}}]}'], ModelTruncatedError, "cut"),
        ([HI, b'data: {"error": {"message": "x", "code": 503}}\n\n'], ModelOverloadedError, "error_event"),
        ([HI, b'data: {"error": {"type": "rate_limit_error"}}\n\n'], ModelRateLimitedError, "error_event"),
        ([HI, b'data: {"error": "gone"}\n\n'], ModelUnavailableError, "error_event"),
        ([b'{"error": {"message": "x"}}'], ModelUnavailableError, "error_event"),
        ([HI, b"data: {nonsense\n\n"], ModelMalformedError, "bad_json"),
        ([b"<html>", b"</html>"], ModelMalformedError, "html"),
        ([b'{"detail": "no"}'], ModelMalformedError, "json_document"),
        ([b"[]"], ModelMalformedError, "json_document"),
        ([b"{"], ModelMalformedError, "bad_json"),
        ([b"upstream connect error"], ModelMalformedError, "not_events"),
        ([b'data: {"choices": "none"}\n\n'], ModelMalformedError, "bad_choices"),
        ([b'data: {"choices": [7]}\n\n'], ModelMalformedError, "bad_choice"),
        ([event("and")], ModelMalformedError, "bad_choice"),
        ([event({"content": {"a": 1}})], ModelMalformedError, "bad_content"),
        ([b"{" + b" " * 4_000_001], ModelMalformedError, "oversized_document"),
    ],
)
def test_what_is_no_whole_answer(raw: list[bytes], error: type[AIOrchestrationError], fault: str) -> None:
    with pytest.raises(error) as raised:
        told(*raw)
    assert raised.value.facts["fault"] == fault


def test_usage_after_the_finish_completes_and_usage_before_does_not() -> None:
    chat = ChatStream()
    chat.feed(event({"content": "Hi"}, usage={"prompt_tokens": 1}))
    chat.feed(STOP)
    assert (chat.finished, chat.complete) == (True, False)
    chat.feed(b'data: {"choices": [], "usage": {"prompt_tokens": 1}}\n\n')
    assert chat.complete


@pytest.mark.parametrize(
    "word,reason",
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("end_turn", "stop"),
        ("eos", "stop"),
        ("something new", "stop"),
        ("MAX_TOKENS", "length"),
        ("model_context_window_exceeded", "length"),
        ("length", "length"),
        ("SAFETY", "content_filter"),
        ("content_filter", "content_filter"),
        ("tool_use", "tool_calls"),
    ],
)
def test_finish_words(word: str, reason: str) -> None:
    assert finish_reason(word) == reason


@pytest.mark.requirement("P-2")
@pytest.mark.parametrize(
    "word",
    [
        *("error", "abort", "network_error", "cancelled", "MALFORMED_FUNCTION_CALL", "OTHER", "pause_turn"),
        *("incomplete", "FINISH_REASON_UNSPECIFIED", "UNEXPECTED_TOOL_CALL", "in_progress", "load"),
    ],
)
def test_words_that_say_broken_off(word: str) -> None:
    with pytest.raises(ModelTruncatedError):
        finish_reason(word)


@pytest.mark.requirement("M14", "M28")
@pytest.mark.parametrize(
    "texts, shown",
    [
        (["a \ud83d\ude00 b"], "a 😀 b"),
        (["a \ud83d", "\ude00 b"], "a 😀 b"),
        (["a \ud83d", "", "\ude00 b"], "a 😀 b"),
        (["a \ud83d b"], "a \ufffd b"),
        (["a \ud83d", " b"], "a \ufffd b"),
        (["\ude00 b"], "\ufffd b"),
        (["a \ud83d"], "a "),
    ],
)
def test_halves_of_characters_are_joined_and_lone_ones_are_replaced(texts: list[str], shown: str) -> None:
    text, _ = told(*(event({"content": text}) for text in texts), STOP)
    assert text == shown


@pytest.mark.requirement("M14")
def test_a_document_with_half_a_character_can_be_stored() -> None:
    message = {"message": {"role": "assistant", "content": "a \ud83d b"}, "finish_reason": "stop"}
    chat = ChatStream()
    assert chat.feed(json.dumps({"choices": [message]}).encode()) == []
    assert chat.close()[0]["choices"][0]["delta"]["content"] == "a \ufffd b"


@pytest.mark.requirement("M14")
@pytest.mark.parametrize("raw", [b'data: {"choices": %s\n\n', b'{"choices": %s'])
def test_json_without_a_bottom_is_malformed(raw: bytes) -> None:
    with pytest.raises(ModelMalformedError) as malformed:
        told(raw % (b"[" * 100_000))
    assert malformed.value.facts["fault"] == "bad_json"


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize(
    "fault",
    [
        b'data: {"error": {"code": 503}}\n\n',
        b"data: {nonsense\n\n",
        b"data: \xff\n\n",
        b"data: [DONE]\n\n",
        b"data: " + b"x" * MAX_EVENT_BYTES + b"\n\n",
    ],
)
@pytest.mark.parametrize("first", [HI, HI + HI])
def test_what_came_in_the_same_read_before_a_fault_is_handed_out(first: bytes, fault: bytes) -> None:
    chat = ChatStream()
    chunks = chat.feed(first + fault + STOP)
    assert [chunk["choices"][0]["delta"]["content"] for chunk in chunks] == ["Hi"] * first.count(HI)
    assert chat.fault is not None
    assert (chat.feed(HI), chat.close(), chat.finished) == ([], [], False)


def test_what_the_end_completes_before_a_cut_is_handed_out() -> None:
    chat = ChatStream()
    assert chat.feed(HI[:-2]) == []
    assert len(chat.close()) == 1
    assert isinstance(chat.fault, ModelTruncatedError)


@pytest.mark.parametrize("late", [b"data: \xff\n\n", b"data: " + b"x" * MAX_EVENT_BYTES])
def test_nothing_after_the_terminator_is_a_fault(late: bytes) -> None:
    chat = ChatStream()
    assert len(chat.feed(HI + STOP + late)) == 2
    assert (chat.fault, chat.complete) == (None, True)


@pytest.mark.requirement("P-2")
def test_a_finish_after_which_the_answer_goes_on_was_none() -> None:
    assert told(HI, STOP, event({"content": " there"}), STOP)[0] == "Hi there"
    assert told(event({"content": "Hi"}, "stop"), event({"content": " there"}, "stop"))[0] == "Hi there"
    for raw in ([HI, STOP, HI], [HI, STOP, HI, b"data: [DONE]\n\n"], [HI, STOP, event({"tool_calls": [{"index": 0}]})]):
        with pytest.raises(ModelTruncatedError):
            told(*raw)


def test_blanks_after_the_finish_are_no_more_of_the_answer() -> None:
    assert told(HI, STOP, event({"content": "\n"}), event({"content": ""}), event({"content": None}))[1].finished
