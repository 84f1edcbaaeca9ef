"""The demo's scoreboard on made-up transcripts: it says what happened, and nothing that did not."""

from typing import Any

import pytest

from yaoki.cli.demo.board import Board, CutAct, KillAct
from yaoki.cli.demo.score import Piece, Score, Transcript, score

WHOLE = "The keeper lights the lamp at dusk. He counts the ships that pass, and writes each one down before he sleeps."
HALF = "The keeper lights the lamp at dusk. He counts the sh"
SHOWN = "The keeper lights the lamp at dusk. He counts the"


def answered(*texts: str, gap_s: float = 0.1, **more: Any) -> Transcript:
    """A completed answer in pieces, `gap_s` apart."""
    pieces = [Piece(number * gap_s, text) for number, text in enumerate(texts)]
    return Transcript(**{"pieces": pieces, "ends": ["completed"], "finished": True, "claims_success": True, **more})


def half_sold(text: str = HALF, **more: Any) -> Transcript:
    """What the SDK does with a cut: a normal return, and no finish reason."""
    return answered(text, **{"ends": ["returned, finish_reason=None"], "finished": False, **more})


def test_half_an_answer_that_returns_normally_is_half_sold_as_whole() -> None:
    judged = score(half_sold(), HALF, whole=WHOLE)
    assert judged.half_sold_as_whole
    assert not judged.survived
    assert (judged.chars, judged.missing_chars, judged.pause_s) == (len(HALF), len(WHOLE) - len(HALF), None)


def test_half_an_answer_is_not_whole_because_its_sdk_says_stop() -> None:
    assert score(half_sold(finished=True), HALF, whole=WHOLE).half_sold_as_whole


def test_half_an_answer_that_raises_is_honest_and_has_not_survived() -> None:
    judged = score(half_sold(ends=["raised APIError"], claims_success=False), HALF, whole=WHOLE)
    assert not judged.half_sold_as_whole
    assert not judged.survived


def test_the_whole_answer_survives_wherever_it_came_from() -> None:
    assert score(answered(WHOLE), HALF, whole=WHOLE).survived
    assert score(answered(WHOLE), WHOLE, whole=WHOLE).survived, "nothing was cut off"


@pytest.mark.parametrize("shown", [HALF, SHOWN, f"{SHOWN} "], ids=["to the letter", "to the word", "with a blank"])
def test_a_continuation_in_other_words_is_whole(shown: str) -> None:
    judged = score(answered(shown, "ips and the stars, all night long."), HALF)
    assert (judged.survived, judged.lost_chars, judged.repeated_chars) == (True, 0, 0)
    assert judged.missing_chars is None, "nobody knows how it would have gone on"


def test_a_cut_word_need_not_come_back() -> None:
    assert score(answered(SHOWN, " boats and the stars."), HALF).survived


def test_words_that_were_there_and_are_gone_are_lost() -> None:
    judged = score(answered("The keeper lights the lamp at noon, and that is all there is to be said about him."), HALF)
    assert judged.lost_chars == len(SHOWN) - len("The keeper lights the lamp at ")
    assert not judged.whole


def test_an_answer_that_begins_again_without_a_word_is_repeated() -> None:
    judged = score(answered(SHOWN, " ", WHOLE), HALF)
    assert judged.repeated_chars >= len(SHOWN)
    assert not judged.survived


@pytest.mark.parametrize(
    "again, twice",
    [
        (" lamp at dusk. He counts the ships.", len("lamp at dusk. He counts the")),
        ("He counts the ships.", len("He counts the")),
        (" counts the ships.", 0),
    ],
    ids=["two sentences", "three words", "so little may be meant"],
)
def test_last_words_that_come_twice_are_repeated(again: str, twice: int) -> None:
    assert score(answered(SHOWN, again), HALF).repeated_chars == twice


def test_void_text_is_lost_text() -> None:
    judged = score(answered(WHOLE, voided_chars=30), HALF)
    assert (judged.lost_chars, judged.survived) == (30, False)


def test_what_is_kept_must_be_what_was_shown() -> None:
    assert score(answered(WHOLE, record=WHOLE), HALF).survived
    assert not score(answered(WHOLE, record=f"{SHOWN}{WHOLE}"), HALF).whole
    assert not score(answered(WHOLE, record=""), HALF).whole


@pytest.mark.parametrize("ends", [[], ["completed", "completed"]])
def test_an_answer_with_no_end_or_two_has_not_survived(ends: list[str]) -> None:
    assert not score(answered(WHOLE, ends=ends), HALF).survived


def test_an_answer_that_never_goes_on_is_not_whole_whatever_its_end_says() -> None:
    assert score(answered(HALF), HALF).half_sold_as_whole


def test_an_answer_that_says_it_was_limited_is_no_success_and_no_lie() -> None:
    judged = score(answered(WHOLE, finished=False, claims_success=False, ends=["output_limit"]), HALF)
    assert (judged.survived, judged.half_sold_as_whole) == (False, False)


def test_the_pause_is_the_longest_silence() -> None:
    pieces = [Piece(10.0, SHOWN), Piece(12.5, " ships"), Piece(12.6, ".")]
    assert score(answered(pieces=pieces), HALF).pause_s == 2.5


# --------------------------------------------------------------------------------------------------------------- board


GOOD = score(answered(SHOWN, " ships and the stars, all night long."), HALF)
SOLD = score(half_sold(), HALF, whole=WHOLE)
RAISED = score(half_sold(ends=["raised APIError: cut"], claims_success=False), HALF, whole=WHOLE)
TWICE = score(answered(SHOWN, " ", WHOLE), HALF)


def board(bare: Score = SOLD, cut: Score = GOOD, kill: Score = GOOD, *, cuts: int = 2, killed: bool = True) -> Board:
    told = {"type": "RUN_FINISHED"}
    return Board(
        cut=CutAct(
            cuts=cuts,
            after_chars=len(HALF),
            of_chars=len(WHOLE),
            bare=bare,
            yaoki=cut,
            bare_told={"returned": HALF, "finish_reason": None},
            yaoki_told=told,
        ),
        kill=KillAct(killed=killed, after_chars=len(HALF), yaoki=kill, told=told),
        versions={"openai": "1"},
    )


def test_yaoki_wins_where_its_client_has_both_answers_and_the_other_has_not() -> None:
    assert board().won
    assert board(bare=RAISED).won, "an SDK that says that it failed has no answer either"
    assert board().verdict()[0] == f"The bare SDK returned {len(HALF)} of {len(WHOLE)} characters as a success."
    assert board().verdict()[-1] == "Yaoki won."


@pytest.mark.parametrize(
    "lost, said",
    [
        (board(cut=TWICE), "came twice"),
        (board(kill=SOLD), "half an answer was called whole"),
        (board(kill=RAISED), "ended as raised APIError: cut"),
        (board(cuts=1), "act 1 shows nothing"),
        (board(killed=False), "act 2 shows nothing"),
    ],
    ids=["repeated", "sold", "raised", "not cut", "not killed"],
)
def test_where_it_did_not_it_says_so_and_why(lost: Board, said: str) -> None:
    assert not lost.won
    assert said in " ".join(lost.verdict())
    assert lost.verdict()[-1] == "Yaoki did not win."
    assert lost.as_dict()["won"] is False


def test_a_bare_sdk_that_has_the_whole_answer_means_that_nothing_was_won() -> None:
    assert not board(bare=score(answered(WHOLE), HALF, whole=WHOLE)).won


def test_the_sdk_is_not_said_to_have_sold_what_it_did_not() -> None:
    assert board(bare=RAISED).verdict()[0].startswith("The bare SDK said that it failed")
