"""The grammar of server-sent events, however the bytes are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yaoki.errors import ModelMalformedError
from yaoki.llm.streams.sse import MAX_EVENT_BYTES, SseParser

BODY = (
    '\ufeff: hello\n\nevent: message\nid: 7\ndata: {"a": "é👩\u200d🚀"}\n\n'
    "data:one\ndata: two\ndata\n\n\nretry: 3\n\ndata: [DONE]\n\n"
)
EVENTS = ['{"a": "é👩\u200d🚀"}', "one\ntwo\n", "[DONE]"]


def parsed(body: bytes, cuts: list[int]) -> list[str]:
    parser, events, start = SseParser(), list[str](), 0
    for cut in [*sorted(cut % (len(body) + 1) for cut in cuts), len(body)]:
        events += parser.feed(body[start:cut])
        start = cut
    return events + parser.close()


@pytest.mark.requirement("M28")
@given(st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 500), max_size=30))
def test_any_line_ending_split_anywhere_gives_the_same_events(ending: str, cuts: list[int]) -> None:
    assert parsed(BODY.replace("\n", ending).encode(), cuts) == EVENTS


@pytest.mark.requirement("M28")
def test_byte_by_byte() -> None:
    body = BODY.replace("\n", "\r\n").encode()
    assert parsed(body, list(range(len(body)))) == EVENTS


def test_an_event_whose_blank_line_never_came_is_given_at_the_end() -> None:
    assert parsed(b"data: last", []) == ["last"]


def test_an_event_comes_with_the_cr_that_ends_it() -> None:
    assert SseParser().feed(b"data: 1\r\r") == ["1"]


@pytest.mark.requirement("M14")
def test_an_event_without_end_is_refused() -> None:
    lines = (b"data: " + b"x" * 1_000 + b"\n") * (MAX_EVENT_BYTES // 1_000 + 2)
    for raw in (lines, b"data: " + b"x" * MAX_EVENT_BYTES):
        parser = SseParser()
        assert parser.feed(b"data: 1\n\n" + raw) == ["1"]
        assert isinstance(parser.fault, ModelMalformedError)


@pytest.mark.requirement("M14")
def test_bytes_that_are_no_text_are_refused() -> None:
    parser = SseParser()
    assert parser.feed(b"data: 1\n\ndata: \xff\xfe\n\ndata: 2\n\n") == ["1"]
    assert isinstance(parser.fault, ModelMalformedError)
    assert parser.feed(b"data: 3\n\n") == []


def test_a_body_that_is_no_event_stream_is_noticed() -> None:
    parser = SseParser()
    parser.feed(b": fine\nevent: x\ndata: y\n\n")
    assert not parser.strange
    parser.feed(b"upstream connect error\n")
    assert parser.strange
