"""The word gate: nothing is lost, and what is shown ends where a person would let it end."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yaoki.llm.seams.word_gate import MAX_HELD, WordGate


@pytest.mark.parametrize(
    "text,shown",
    [
        ("The capital of Fra", "The capital of"),
        ("The capital of ", "The capital of"),
        ("It costs 3.1", "It costs"),
        ("def f():\n    ret", "def f():"),
        ("| a | b |\n| -", "| a | b |\n|"),
        ("東京から来", "東京から"),
        ("値は3.1", "値は"),
        ("か\u3099", ""),
        ("東👨\u200d👩", "東"),
        ("は🇯🇵", "は"),
        ("word", ""),
        ("  ", ""),
    ],
)
def test_only_whole_words_are_shown(text: str, shown: str) -> None:
    gate = WordGate()
    assert gate.feed(text) == shown
    assert gate.held == text[len(shown) :]
    assert gate.whole


def test_a_run_without_an_end_is_let_through() -> None:
    gate = WordGate()
    shown = gate.feed("x" * 30)
    assert shown == "x" * 30
    assert not gate.whole


def test_indentation_is_no_run() -> None:
    gate = WordGate()
    assert gate.feed("if x:\n" + " " * 40 + "y") == "if x:"
    assert gate.whole


def test_a_run_of_joined_emoji_is_not_cut_inside_one() -> None:
    family = "👨\u200d👩\u200d👧\u200d👦"
    gate = WordGate()
    shown = gate.feed(family * 10)
    assert shown.endswith("👦")
    assert len(gate.held) >= 1


@given(st.lists(st.text(max_size=12), max_size=30))
def test_nothing_is_lost_and_nothing_is_made_up(pieces: list[str]) -> None:
    gate = WordGate()
    shown = "".join(gate.feed(piece) for piece in pieces)
    assert shown + gate.held == "".join(pieces)
    assert shown + gate.flush() == "".join(pieces)


@given(st.lists(st.text(max_size=12), max_size=30))
def test_no_more_than_one_word_is_held(pieces: list[str]) -> None:
    gate = WordGate()
    for piece in pieces:
        gate.feed(piece)
        clusters = sum(not unicodedata.category(c).startswith("M") for c in gate.held.strip())
        assert clusters <= MAX_HELD + 1 or len(gate.held.split()) <= 1


@given(st.lists(st.text(alphabet="ab \n", max_size=5), max_size=30))
def test_what_is_shown_never_ends_inside_a_short_word(pieces: list[str]) -> None:
    whole = "".join(pieces)
    gate, shown = WordGate(), ""
    for piece in pieces:
        shown += gate.feed(piece)
        if shown and gate.whole:
            assert whole[len(shown) : len(shown) + 1].isspace()
            assert not shown[-1].isspace()
