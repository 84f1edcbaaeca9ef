"""Any text, cut anywhere, any number of times: a fallback that honours the seam gives back the text, once."""

import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from yaoki.llm.deltas import HalfAnswer
from yaoki.llm.seams.seam import Seam, SeamRefusedError
from yaoki.llm.seams.shown import anchor_of
from yaoki.llm.seams.word_gate import WordGate

WORDS = st.sampled_from(
    ["the", "capital", "Of", "3.14", "x", "naïve", "é", "—", "(see", "a)", "**bold**", "東京から来ました。", "ภาษาไทย",
     "한국어", "مرحبا", "שלום", "👩‍🚀", "🇯🇵🇫🇷", "e\u0301", "def", "f(x):", "```", "|", "Sure", "here", "Here", "is"]
)  # fmt: skip
GAPS = st.sampled_from([" ", " ", " ", "\n", "\n\n", "  ", "\n    ", "\t", ""])
PROSE = st.lists(st.tuples(WORDS, GAPS), min_size=2, max_size=40).map(lambda ws: "".join(w + g for w, g in ws).strip())
ANY = st.text(min_size=1, max_size=120).filter(lambda text: bool(text.strip()))
TEXTS = st.one_of(PROSE, ANY)


def tokens(text: str, rng: random.Random) -> list[str]:
    """The text in pieces of one to six characters."""
    pieces: list[str] = []
    while text:
        size = rng.randint(1, 6)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def repeats_itself(shown: str, rest: str) -> bool:
    """Whether the text itself says the same again right at the cut: nobody can tell that from a repetition."""
    shown, start = " ".join(shown.split()), " ".join(rest.split())
    if not shown or start.startswith(shown):
        return bool(shown)
    return not rest[:1].isspace() and any(shown.endswith(start[:size]) for size in range(5, len(start) + 1))


class Person:
    """Reads an answer that several backends write, each cut after a number of tokens."""

    def __init__(self, rng: random.Random) -> None:
        self.shown = ""
        self._lost = ""
        self._whole = True
        self._rng = rng

    def reads(self, text: str, cut: int | None, mode: str | None) -> None:
        """Read `text`, or its first `cut` tokens; `mode` if it is a continuation."""
        gate = WordGate()
        seam: Seam | None = None
        if mode:
            gap = self._lost[: len(self._lost) - len(self._lost.lstrip())] if self._lost else None
            seam = Seam(self.shown, HalfAnswer(self.shown, mode), gap=gap, whole=self._whole, more=self._lost)
        for piece in tokens(text, self._rng)[:cut]:
            self.shown += gate.feed(seam.feed(piece) if seam else piece)
        if cut is None:
            self.shown += gate.feed(seam.flush() if seam else "") + gate.flush()
        elif seam is None or seam.decided:
            self._lost, self._whole = gate.held, gate.whole


@pytest.mark.requirement("P-3")
@settings(max_examples=500)
@given(TEXTS, st.lists(st.integers(0, 40), min_size=1, max_size=3), st.integers(0, 2**32))
def test_a_fallback_that_honours_a_prefill_gives_the_text_back_once(text: str, cuts: list[int], seed: int) -> None:
    person = Person(random.Random(seed))
    try:
        person.reads(text, cuts[0], None)
        for cut in [*cuts[1:], None]:
            rest = text[len(person.shown) :]
            assume(not repeats_itself(person.shown, rest))
            person.reads(rest, cut, "prefill" if person.shown else None)
    except SeamRefusedError:
        return  # in doubt it is not joined: then it is said, and begun again
    assert person.shown == text


@pytest.mark.requirement("P-3")
@settings(max_examples=300)
@given(PROSE, st.integers(1, 40), st.integers(0, 2**32))
def test_a_fallback_that_repeats_the_anchor_gives_the_text_back_once(text: str, cut: int, seed: int) -> None:
    person = Person(random.Random(seed))
    person.reads(text, cut, None)
    shown = person.shown
    assume(shown and not repeats_itself(shown, text[len(shown) :]))
    try:
        person.reads(anchor_of(shown) + text[len(shown) :], None, "instruction")
    except SeamRefusedError:
        return
    assert person.shown == text


@pytest.mark.requirement("P-3")
@settings(max_examples=300)
@given(PROSE, st.integers(1, 40), st.integers(0, 2**32), st.sampled_from(["prefill", "instruction"]))
def test_a_fallback_that_begins_again_is_not_shown_twice(text: str, cut: int, seed: int, mode: str) -> None:
    person = Person(random.Random(seed))
    person.reads(text, cut, None)
    shown = person.shown
    if len(set(shown)) < 4:
        return
    try:
        person.reads(text, None, mode)
    except SeamRefusedError:
        return
    assert person.shown == text


def test_most_honoured_seams_are_joined() -> None:
    rng = random.Random(7)
    text = "A keeper counts ships: 東京から来ました, the first carries 11 crates of oranges, the second 23 barrels."
    refused = 0
    for cut in range(1, 30):
        person = Person(rng)
        person.reads(text, cut, None)
        try:
            person.reads(text[len(person.shown) :], None, "prefill" if person.shown else None)
        except SeamRefusedError:
            refused += 1
        else:
            assert person.shown == text
    assert refused == 0
