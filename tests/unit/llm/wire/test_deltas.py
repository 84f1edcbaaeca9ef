"""Judged chunks as deltas: shapes that real providers send."""

from typing import Any

import pytest

from yaoki.errors import ModelMalformedError
from yaoki.llm.deltas import Delta, Finish, Reasoning, Text, ToolCall, ToolCallPiece, Usage
from yaoki.llm.wire.deltas import WireDeltas


def chunk(finish: str | None = None, usage: dict[str, Any] | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": usage}


def call(arguments: object = "", **more: Any) -> dict[str, Any]:
    name = more.pop("name", None)
    return {"function": {"arguments": arguments, **({"name": name} if name else {})}, **more}


def taken(*chunks: dict[str, Any]) -> list[Delta]:
    deltas = WireDeltas()
    return [*deltas.take(list(chunks)), *deltas.ending()]


def calls(*pieces: dict[str, Any]) -> list[tuple[str, str]]:
    found = taken(*(chunk(tool_calls=[piece]) for piece in pieces), chunk("tool_calls"))
    return [(delta.name, delta.arguments) for delta in found if isinstance(delta, ToolCall)]


def test_neighbouring_texts_are_one_and_empty_ones_none() -> None:
    found = taken(chunk(role="assistant", content=""), chunk(content="a "), chunk(content=None), chunk(content="b"))
    assert found == [Text("a b")]


def test_text_in_parts_is_text() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}, {"text": " b"}, 7]
    assert taken(chunk(content=parts)) == [Text("a b")]


def test_usage_keeps_the_providers_own_counts() -> None:
    counts = {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 2}}
    assert taken(chunk("stop", counts, content="a")) == [Text("a"), Usage(3, 4, counts), Finish("stop")]


def test_a_refusal_is_life_and_never_a_good_end() -> None:
    assert taken(chunk(refusal="No."), chunk("stop")) == [Reasoning("No.", "refusal"), Finish("content_filter")]


@pytest.mark.parametrize(
    "pieces",
    [
        [call(index=0, id="x", name="a"), call('{"n":', index=0), call("1}", index=0)],
        [call('{"n":1}', id="x", name="a")],
        [call({"n": 1}, index=0, name="a")],
    ],
    ids=["pieces", "no_index", "object"],
)
def test_a_call_however_it_comes(pieces: list[dict[str, Any]]) -> None:
    [(name, arguments)] = calls(*pieces)
    assert (name, arguments.replace(" ", "")) == ("a", '{"n":1}')


def test_calls_that_are_all_numbered_alike_are_told_apart_by_id() -> None:
    pieces = [call("{}", index=0, id="x", name="a"), call("{}", index=0, id="y", name="b")]
    assert calls(*pieces) == [("a", "{}"), ("b", "{}")]


def test_a_piece_of_a_call_is_life_of_its_size() -> None:
    assert taken(chunk(tool_calls=[call("{}", index=0, name="a")]))[0] == ToolCallPiece(2)


def test_what_a_provider_wants_back_with_a_call_is_kept() -> None:
    piece = call("{}", index=0, name="a", extra_content={"google": {"thought_signature": "s"}})
    [*_, found] = taken(chunk(tool_calls=[piece]))
    assert found == ToolCall("a", "{}", details={"extra_content": {"google": {"thought_signature": "s"}}})


@pytest.mark.parametrize("piece", [7, {"function": "a"}, {"function": {"name": 7}}, call(["a"], name="a"), call("{}")])
def test_a_call_of_another_shape_is_the_providers_fault(piece: Any) -> None:
    with pytest.raises(ModelMalformedError):
        taken(chunk(tool_calls=[piece]))


@pytest.mark.requirement("M27")
def test_text_and_calls_of_one_read_come_in_their_order() -> None:
    found = taken(chunk(content="Let me "), chunk(content="look."), chunk(tool_calls=[call("{}", name="look")]))
    assert [type(delta) for delta in found[:2]] == [Text, ToolCallPiece]
