"""Chunks that are read by their mould, against the same chunks parsed one by one."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from yaoki.errors import AIOrchestrationError
from yaoki.llm.chat_stream import ChatStream

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


def told(data: list[str], *, moulded: bool) -> tuple[list[Any], str, bool, bool]:
    chat = ChatStream()
    if not moulded:
        chat._mould._trials = 0
    chunks: list[Any] = []
    try:
        for one in data:
            chunks += json.loads(json.dumps(chat.feed(f"data: {one}\n\n".encode())))
    except AIOrchestrationError as error:
        return chunks, f"{error.kind} {error.facts.get('fault')}", chat.finished, chat.complete
    return chunks, "", chat.finished, chat.complete


@given(bodies(), st.text(max_size=3))
@settings(max_examples=400, deadline=None)
def test_a_mould_finds_what_parsing_finds(data: list[str], garbage: str) -> None:
    broken = [*data, *(one.replace(":", garbage, 1) for one in data[-1:])]
    assert told(broken, moulded=True) == told(broken, moulded=False)


def test_text_after_text_is_read_by_its_mould() -> None:
    chunk = '{"id":"%s","choices":[{"index":0,"delta":{"content":"%s"}}]}'
    chat = ChatStream()
    chat.feed(b"".join(f"data: {chunk % ('one', word)}\n\n".encode() for word in ("one", "two")))
    assert chat._mould.cast(chunk % ("one", " three")) == {
        "id": "one",
        "choices": [{"index": 0, "delta": {"content": " three"}, "finish_reason": None}],
    }
    assert chat._mould.cast(chunk % ("two", " three")) is None
    assert chat._mould.cast(chunk % ("one", '\\"')) is None
