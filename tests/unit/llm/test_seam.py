"""Seams: what was shown is neither repeated nor lost."""

import pytest

from yaoki.llm.deltas import HalfAnswer
from yaoki.llm.seam import Seam, SeamRefusedError
from yaoki.llm.word_gate import WordGate


def test_an_unfinished_word_is_held_back() -> None:
    gate = WordGate()
    assert gate.feed("The capital of Fra") == "The capital of"
    assert gate.held == " Fra"


def test_a_repeated_end_is_trimmed() -> None:
    seam = Seam("The capital of France", HalfAnswer("The capital of France", "prefill"))
    assert seam.feed("of France is Paris") == " is Paris"


def test_a_preamble_is_refused() -> None:
    seam = Seam("The capital of", HalfAnswer("The capital of", "prefill"))
    with pytest.raises(SeamRefusedError):
        seam.feed("Sure, here is the rest")
