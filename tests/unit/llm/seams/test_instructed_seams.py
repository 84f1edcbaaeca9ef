"""What small models do with the instruction to go on, seen with the embedded one: none of it reaches a person."""

import pytest

from yaoki.llm.deltas import HalfAnswer
from yaoki.llm.seams.continuing import instruction
from yaoki.llm.seams.seam import Seam, SeamRefusedError
from yaoki.llm.seams.shown import anchor_of

SHOWN = "The lighthouse keeper was a kind man who had dedicated his life to"
HALF = HalfAnswer(SHOWN, "instruction")
ANCHOR = anchor_of(SHOWN)


def joined(*pieces: str, gap: str | None = " ", more: str = "") -> str:
    """What is shown of a continuation that comes in these pieces."""
    seam = Seam(SHOWN, HALF, gap=gap, more=more)
    return "".join([*map(seam.feed, pieces), seam.flush()])


@pytest.mark.requirement("P-2", "P-3")
def test_the_last_words_and_nothing_else_are_no_rest_of_an_answer() -> None:
    with pytest.raises(SeamRefusedError):
        joined(ANCHOR)


@pytest.mark.requirement("P-2", "P-3")
def test_a_new_line_that_had_begun_is_more_to_say() -> None:
    seam = Seam("The end.", HalfAnswer("The end.", "instruction"), gap="\n", more="\n")
    assert seam.feed("The end.") == ""
    with pytest.raises(SeamRefusedError):
        seam.flush()


@pytest.mark.requirement("P-2", "P-3")
@pytest.mark.parametrize("between", ["\n", "\n\n", ", ", "\n- "])
def test_the_last_words_over_and_over_are_refused(between: str) -> None:
    with pytest.raises(SeamRefusedError):
        joined(*(f"{ANCHOR}{between}" for _ in range(12)))


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize("sentence", [*instruction(HALF).replace(f"\n{ANCHOR}", "").split(". ")])
def test_the_instruction_said_after_the_last_words_is_refused(sentence: str) -> None:
    with pytest.raises(SeamRefusedError):
        joined(ANCHOR, "\n", *sentence)


@pytest.mark.requirement("P-3")
@pytest.mark.parametrize(
    "talk",
    [
        "The connection was cut in the middle of your answer.",
        "I'm sorry for the confusion. The connection was cut.",
        "Here is the rest of my answer:",
        "Sure, I will go on.",
    ],
)
def test_a_word_about_the_cut_after_the_last_words_is_refused(talk: str) -> None:
    with pytest.raises(SeamRefusedError):
        joined(ANCHOR, "\n\n", *talk)


@pytest.mark.requirement("M12", "P-3")
@pytest.mark.parametrize(
    "rest", [" helping ships.", " it.", " send the boats home.", "\n\nhelping ships, by day and by night."]
)
def test_a_rest_that_follows_the_last_words_is_shown(rest: str) -> None:
    assert joined(ANCHOR, *rest) == rest


def test_a_rest_that_goes_on_as_the_first_half_had_is_shown_at_once() -> None:
    seam = Seam(SHOWN, HALF, gap=" ", more=" help")
    assert seam.feed(f"{ANCHOR} helping") == " helping"
