"""Which candidate is tried next: the table of `selection.py`, rule by rule."""

import random

import pytest

from tests.unit.llm.fakes import FakeUpstream, candidate, says
from yaoki.errors import ModelAuthenticationError, ModelRateLimitedError, ModelUnavailableError
from yaoki.llm.chain.candidates import Candidate
from yaoki.llm.chain.selection import BACKOFF_S, MAX_RETRIES, SOON_S, Choice, Selection

DOWN = ModelUnavailableError("down")


@pytest.fixture
def three() -> list[Candidate]:
    return [candidate(name, FakeUpstream(says("hi")), threshold=1) for name in "abc"]


def selection(candidates: list[Candidate]) -> Selection:
    return Selection(candidates, random.Random(1))


def test_preference_decides_among_the_healthy(three: list[Candidate]) -> None:
    assert selection(three).next(60) == Choice(three[0])


def test_whoever_is_not_admitted_is_passed_over(three: list[Candidate]) -> None:
    three[0].breaker.admit().failed()
    assert selection(three).next(60) == Choice(three[1])


def test_whoever_asked_to_be_left_alone_is_passed_over(three: list[Candidate]) -> None:
    three[0].rest(ModelRateLimitedError("slow down", retry_after_s=9))
    assert selection(three).next(60) == Choice(three[1])


def test_nobody_is_retried_while_somebody_healthy_is_fresh(three: list[Candidate]) -> None:
    table = selection(three)
    table.failed(three[0], DOWN)
    assert table.next(60) == Choice(three[1])


def test_retries_go_to_the_shortest_wait_and_then_to_whoever_was_tried_least(three: list[Candidate]) -> None:
    table = selection(three[:2])
    table.failed(three[0], ModelRateLimitedError("slow down", retry_after_s=5.0))
    table.failed(three[1], DOWN)
    choice = table.next(60)
    assert choice is not None
    assert choice.candidate is three[1]
    assert BACKOFF_S / 2 <= choice.pause_s <= BACKOFF_S
    table.failed(three[1], ModelRateLimitedError("slow down", retry_after_s=9.0))
    choice = table.next(60)
    assert choice is not None
    assert (choice.candidate, choice.pause_s) == (three[0], 5.0)


def test_there_are_two_retries_in_all(three: list[Candidate]) -> None:
    table = selection(three)
    for one in three:
        table.failed(one, DOWN)
    for _ in range(MAX_RETRIES):
        choice = table.next(60)
        assert choice is not None
        table.failed(choice.candidate, DOWN)
    assert table.next(60) is None


def test_a_part_of_the_answer_renews_the_retries(three: list[Candidate]) -> None:
    table = selection(three[:1])
    for _ in range(5):
        table.failed(three[0], DOWN, progress=True)
        assert table.next(60) is not None
    for _ in range(MAX_RETRIES - 1):
        table.failed(three[0], DOWN)
        assert table.next(60) is not None
    table.failed(three[0], DOWN)
    assert table.next(60) is None


def test_a_pause_that_does_not_fit_the_deadline_is_not_chosen(three: list[Candidate]) -> None:
    table = selection(three[:1])
    table.failed(three[0], ModelRateLimitedError("slow down", retry_after_s=5.0))
    assert table.next(4) is None


def test_what_will_fail_again_is_not_tried_again(three: list[Candidate]) -> None:
    table = selection(three[:1])
    table.failed(three[0], ModelAuthenticationError("no"))
    assert table.next(60) is None


def test_when_nobody_is_healthy_the_first_is_tried_anyway(three: list[Candidate]) -> None:
    for one in three:
        one.breaker.admit().failed()
    assert selection(three).next(60) == Choice(three[0], anyway=True)


def test_a_retry_comes_before_somebody_whose_breaker_is_open(three: list[Candidate]) -> None:
    three[1].breaker.admit().failed()
    table = selection(three[:2])
    table.failed(three[0], DOWN)
    choice = table.next(60)
    assert choice is not None
    assert choice.candidate is three[0]
    table.failed(three[0], ModelAuthenticationError("no"))
    assert table.next(60) == Choice(three[1], anyway=True)


@pytest.mark.requirement("M6")
def test_a_moment_of_rest_is_waited_for_before_anybody_is_retried(three: list[Candidate]) -> None:
    three[1].rest(ModelRateLimitedError("slow down", retry_after_s=SOON_S))
    table = selection(three[:2])
    table.failed(three[0], DOWN)
    choice = table.next(60)
    assert choice is not None
    assert choice.candidate is three[1]
    assert 0.0 < choice.pause_s <= SOON_S
    assert not choice.anyway


@pytest.mark.requirement("M6")
def test_a_longer_rest_is_waited_for_if_a_retry_had_to_wait_longer_still(three: list[Candidate]) -> None:
    three[1].rest(ModelRateLimitedError("slow down", retry_after_s=3))
    table = selection(three[:2])
    table.failed(three[0], DOWN)
    quick = table.next(60)
    assert quick is not None
    assert quick.candidate is three[0]
    table.failed(three[0], ModelRateLimitedError("slow down", retry_after_s=9.0))
    choice = table.next(60)
    assert choice is not None
    assert choice.candidate is three[1]


@pytest.mark.parametrize("rest_s,remaining_s,anyway", [(3, 60, False), (3, 2, True), (300, 600, True)])
def test_nobody_left_but_one_that_rests_is_waited_for_a_few_seconds(
    three: list[Candidate], rest_s: float, remaining_s: float, *, anyway: bool
) -> None:
    three[0].rest(ModelRateLimitedError("slow down", retry_after_s=rest_s))
    choice = selection(three[:1]).next(remaining_s)
    assert choice is not None
    assert (choice.anyway, choice.pause_s > 0) == (anyway, not anyway)


def test_whoever_refused_the_seam_is_fresh_after_a_restart_and_those_who_never_failed_come_first(
    three: list[Candidate],
) -> None:
    table = selection(three[:2])
    table.failed(three[0], DOWN)
    table.refused(three[0])
    table.refused(three[1])
    assert table.next(60) is None
    assert table.start_over()
    assert table.next(60) == Choice(three[1])
    assert not table.start_over()


def test_a_door_that_others_were_faster_at_is_closed_for_this_answer(three: list[Candidate]) -> None:
    three[0].breaker.admit().failed()
    table = selection(three[:1])
    table.shut_out(three[0])
    assert table.next(60) is None
