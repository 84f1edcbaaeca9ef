"""Refrains: few repetitions of a loop are let through; what only looks like one loses nothing."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yaoki.llm.seams.refrain import HOLD_CHARS, LOOP_CHARS, MAX_PERIOD, Refrain

pytestmark = pytest.mark.requirement("M17")

PARAGRAPH = " ".join(f"word{number}" for number in range(100)) + "\n"
LOOPS = [" over and over", "ha", "-", "0", "| 0 | 0 |\n", "哈", "    self.x = 1\n", PARAGRAPH]
TEXT = "Seven ships went out, and this is what they carried:\n"


def let_through(text: str, size: int = 7, before: str = "") -> tuple[str, Refrain]:
    refrain = Refrain(before)
    return "".join(refrain.feed(text[at : at + size]) for at in range(0, len(text), size)), refrain


@pytest.mark.parametrize("size", [1, 7, 50, 100_000])
@pytest.mark.parametrize("passage", LOOPS)
def test_of_a_loop_three_passages_or_a_line_or_two_are_let_through(passage: str, size: int) -> None:
    shown, refrain = let_through(TEXT + (passage * 12_000)[:12_000], size)
    assert refrain.endless
    assert shown.startswith(TEXT)
    assert len(shown) <= len(TEXT) + max(2 * HOLD_CHARS, 3 * len(passage)) + 2 * 40


@pytest.mark.parametrize("passage", LOOPS)
def test_a_loop_that_another_model_takes_up_is_held_at_once(passage: str) -> None:
    before, _ = let_through(TEXT + (passage * 9_000)[:9_000])
    rest = (passage * 9_000)[(len(before) - len(TEXT)) % len(passage) :][:9_000]
    shown, refrain = let_through(rest, before=before)
    assert (shown, refrain.endless) == ("", True)


@pytest.mark.parametrize("size", [1, 7, 1_000])
@pytest.mark.parametrize(
    "text",
    [
        "ha " * 300 + "that was funny.",
        "-" * 400 + "\nThe end.",
        "0" * 1_000 + "1",
        "| 0 | 0 |\n" * 100 + "| 1 | 0 |\n" * 100,
        "\n".join(f"    self.field_{number} = None" for number in range(300)),
        "Row, row, row your boat,\ngently down the stream.\n" * 20 + "Life is but a dream.",
        f"{PARAGRAPH * 3}That is all.",
        " ".join(map(str, range(3_000))),
    ],
)
def test_tables_poems_rows_and_code_come_whole(text: str, size: int) -> None:
    shown, refrain = let_through(text, size)
    assert not refrain.endless
    assert shown + refrain.flush() == text


@given(st.text("ab", min_size=1, max_size=20), st.integers(1, 2_500), st.text(max_size=40), st.integers(0, 2**32))
def test_no_text_is_changed(passage: str, length: int, rest: str, seed: int) -> None:
    text, refrain, shown = (passage * length)[: LOOP_CHARS // 2] + rest, Refrain(), ""
    rng = random.Random(seed)
    at = 0
    while at < len(text):
        size = rng.randint(1, 90)
        shown += refrain.feed(text[at : at + size])
        at += size
        assert text[: min(at, len(text))] == shown + refrain.held
    assert shown + refrain.flush() == text


def test_a_passage_longer_than_any_loop_is_not_looked_for() -> None:
    passage = "".join(chr(0x4E00 + number) for number in range(MAX_PERIOD + 1))
    assert let_through(passage * 4)[0] == passage * 4
