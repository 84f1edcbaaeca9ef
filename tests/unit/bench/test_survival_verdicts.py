"""What the survival matrix says of an answer depends on nothing but what was heard."""

import pytest

from bench.survival.asking import Heard
from bench.survival.stage import AT, Case, Pair
from bench.survival.verdict import verdict
from yaoki.faults import ANSWER, FAULTS, ScriptedProvider

CUT = ANSWER[:AT]
CALL = ("charge", '{"amount": 12, "currency": "EUR"}')
HALF_CALL = ("charge", '{"amount": 12, "curr')


def judged(heard: Heard | None, *, fault: str = "cut_mid_stream", fired: bool = True) -> str:
    pair = Pair(Case(FAULTS[fault], "honour"), ScriptedProvider(), ScriptedProvider())
    if fired:
        pair.faulty.fired[fault] += 1
    return verdict(pair, heard)


@pytest.mark.parametrize(
    "heard, expected",
    [
        (Heard(text=ANSWER, finish="stop"), "completed"),
        (Heard(text=ANSWER), "completed"),
        (Heard(text=CUT, raised="APIError"), "told"),
        (Heard(text=CUT, finish="length"), "told"),
        (Heard(refusal="No."), "told"),
        (Heard(text=CUT, finish="stop"), "passed off"),
        (Heard(text=CUT), "passed off"),
        (Heard(), "passed off"),
        (Heard(text=ANSWER + "Sure, here is the rest", finish="stop"), "passed off"),
        (Heard(text=CUT + ANSWER, finish="stop"), "repeated"),
        (Heard(text=CUT + ANSWER, raised="APIError"), "repeated"),
        (Heard(text=CUT, hung=True), "hung"),
        (None, "lost"),
    ],
)
def test_an_answer_is_judged_by_what_was_heard(heard: Heard | None, expected: str) -> None:
    assert judged(heard) == expected


@pytest.mark.parametrize(
    "heard, expected",
    [
        (Heard(calls=[CALL], finish="tool_calls"), "completed"),
        (Heard(calls=[CALL], text=ANSWER), "completed"),
        (Heard(text=ANSWER), "completed"),
        (Heard(calls=[HALF_CALL]), "passed off"),
        (Heard(calls=[CALL, HALF_CALL]), "passed off"),
        (Heard(calls=[CALL, CALL]), "repeated"),
        (Heard(calls=[HALF_CALL], finish="length"), "told"),
    ],
)
def test_a_call_is_whole_or_it_is_none(heard: Heard, expected: str) -> None:
    assert judged(heard, fault="cut_in_call") == expected


def test_what_is_odd_and_healthy_must_come_through_as_it_was() -> None:
    assert judged(Heard(text=ANSWER, finish="stop"), fault="crlf") == "fine"
    assert judged(Heard(text=CUT, finish="stop"), fault="crlf") == "false alarm"


def test_a_question_that_met_no_fault_is_lost() -> None:
    assert judged(Heard(text=ANSWER), fired=False) == "lost"
