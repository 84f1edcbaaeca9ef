"""Chunks that are read by their mould, against the same chunks parsed one by one."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from yaoki.llm.streams.chat_stream import ChatStream

NAMES = [
    "content",
    "role",
    "id",
    "delta",
    "choices",
    "index",
    "finish_reason",
    "error",
    "usage",
    "model",
    ":",
    ",",
    "~",
]
TEXTS = st.one_of(
    st.sampled_from([*NAMES, "", " ships", 'a "b"', "\\", "\ud83d", "\ude00", "é😀", "\n", "\x7f", "x", "x~"]),
    st.text(max_size=6),
)
SCALARS = st.one_of(TEXTS, st.none(), st.integers(-1, 1), st.booleans())
ENVELOPES = st.dictionaries(st.sampled_from(["id", "model", "x", "usage", "obfuscation", "error"]), SCALARS, max_size=3)
CHOICES = st.dictionaries(st.sampled_from(["index", "logprobs", "finish_reason", "x"]), SCALARS, max_size=3)
DELTAS = st.dictionaries(st.sampled_from(["role", "reasoning", "refusal", "x"]), SCALARS, max_size=2)


@st.composite
def bodies(draw: st.DrawFn) -> list[str]:
    """The data of events that have much in common, as a provider's have, and now and then do not."""
    shapes = draw(st.lists(st.tuples(ENVELOPES, CHOICES, DELTAS, st.booleans(), st.booleans()), min_size=1, max_size=3))
    said: list[str] = []
    for at, text in draw(st.lists(st.tuples(st.integers(0, len(shapes) - 1), TEXTS), max_size=12)):
        envelope, choice, delta, ascii_only, tight = shapes[at]
        whole: dict[str, Any] = {**envelope, "choices": [{**choice, "delta": {**delta, "content": text}}]}
        data = json.dumps(whole, ensure_ascii=ascii_only, separators=(",", ":") if tight else None)
        said.append(data.encode(errors="replace").decode())
    return said


def told(data: list[str], *, moulded: bool, at_once: bool = False) -> tuple[list[Any], object, bool, bool]:
    """What a stream says, read event by event or all at once; neighbours that differ in their text alone are one."""
    chat = ChatStream(joins=at_once)
    if not moulded:
        chat._mould._trials = 0
    events = [f"data: {one}\n\n".encode() for one in data]
    chunks: list[Any] = []
    for raw in [b"".join(events)] if at_once else events:
        for chunk in json.loads(json.dumps(chat.feed(raw))):
            _join(chunks, chunk)
    return chunks, chat.fault and chat.fault.facts, chat.finished, chat.complete


def _join(chunks: list[Any], chunk: Any) -> None:
    """Add a chunk, to the last one if only their texts differ."""
    text, before = _taken_out(chunk), _taken_out(chunks[-1]) if chunks else None
    alike = text is not None and before is not None and chunk == chunks[-1]
    if before is not None:
        chunks[-1]["choices"][0]["delta"]["content"] = before + (text or "") if alike else before
    if not alike:
        if text is not None:
            chunk["choices"][0]["delta"]["content"] = text
        chunks.append(chunk)


def _taken_out(chunk: Any) -> str | None:
    """The chunk's text, which it is left without."""
    delta = (chunk["choices"][0].get("delta") or {}) if chunk["choices"] else {}
    return delta.pop("content") if isinstance(delta.get("content"), str) else None


@given(bodies(), st.text(max_size=3))
@settings(max_examples=400, deadline=None)
def test_a_mould_finds_what_parsing_finds(data: list[str], garbage: str) -> None:
    broken = [*data, *(one.replace(":", garbage, 1) for one in data[-1:])]
    parsed = told(broken, moulded=False)
    assert told(broken, moulded=True) == parsed
    assert told(broken, moulded=True, at_once=True) == parsed


def test_text_after_text_is_read_by_its_mould() -> None:
    chunk = '{"id":"%s","choices":[{"index":0,"delta":{"content":"%s"}}]}'
    chat = ChatStream()
    chat.feed(b"".join(f"data: {chunk % ('one', word)}\n\n".encode() for word in ("one", "two")))
    text = chat._mould.text_in(chunk % ("one", " three"))
    assert text == " three"
    assert chat._mould.cast(text) == {
        "id": "one",
        "choices": [{"index": 0, "delta": {"content": " three"}, "finish_reason": None}],
    }
    assert chat._mould.text_in(chunk % ("two", " three")) is None
    assert chat._mould.text_in(chunk % ("one", '\\"')) is None


def test_neighbouring_texts_of_one_read_are_one_chunk_for_whoever_wants_that() -> None:
    chunk = 'data: {"choices":[{"delta":{"content":"%s"},"finish_reason":%s}]}\n\n'
    raw = "".join(chunk % (word, "null") for word in ("so", " many", " ships")) + chunk % (" sail", '"stop"')
    texts = [
        [one["choices"][0]["delta"]["content"] for one in ChatStream(joins=joins).feed(raw.encode())]
        for joins in (True, False)
    ]
    assert texts == [["so", " many ships", " sail"], ["so", " many", " ships", " sail"]]
