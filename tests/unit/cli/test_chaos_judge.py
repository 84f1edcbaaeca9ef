"""The judge of `yaoki chaos`, before transcripts that want to mislead it."""

import json
import re

import pytest

from yaoki.cli.chaos.command import Ran
from yaoki.cli.chaos.judge import Judgement, Verdict, judge, measure
from yaoki.errors import ConfigurationSettingError
from yaoki.faults import ANSWER, Script
from yaoki.faults.chaos_proxy import Passage

HALF = ANSWER[:130]
OTHER_ANSWER = "Nobody kept count that night, since the lamp was out and the keeper was asleep in his chair until noon."


def ran(stdout: str, code: int | None = 0, stderr: str = "") -> Ran:
    return Ran(stdout=stdout, stderr=stderr, exit_code=code, took_s=1.0)


def passage(*answers: str, hurt: tuple[str, ...] = (), fired: int = 1, troubles: tuple[str, ...] = ()) -> Passage:
    return Passage(
        script=Script(), asked=len(answers), fired=fired, answers=[*answers], hurt=[*hurt], troubles=[*troubles]
    )


def judged(
    stdout: str,
    *,
    code: int | None = 0,
    stderr: str = "",
    healthy: str = f"{ANSWER}\n",
    answers: tuple[str, ...] = (ANSWER,),
    more: tuple[str, ...] = (),
    told: str | None = None,
) -> Judgement:
    """The verdict on an output, where the healthy run printed `healthy`; `more` are answers that a retry was given."""
    pattern = re.compile(told) if told else None
    measured = measure(ran(healthy), passage(*answers, fired=0), pattern)
    return judge(measured, ran(stdout, code, stderr), passage(*answers, *more, hurt=answers[:1]), pattern)


@pytest.mark.parametrize(
    "stdout, verdict",
    [
        (f"{ANSWER}\n", "whole"),
        (ANSWER.replace(" ", "\n    "), "whole"),  # wrapped and indented by a terminal
        ("".join(f"\x1b[1m{word}\x1b[0m " for word in ANSWER.split()), "whole"),
        (f"{HALF}\n", "cut"),
        (ANSWER[:-1], "cut"),  # the last full stop is missing
        (ANSWER[1:], "cut"),  # so is the first letter
        (ANSWER[:100] + ANSWER[140:], "cut"),  # a gap
        (f"{HALF}\n(half)", "cut"),
        ("", "lost"),
        ("\n \n", "lost"),
        ("None", "lost"),
        (f"{HALF}\n{ANSWER}\n", "repeated"),  # begun again
        (HALF + ANSWER[90:], "repeated"),  # a seam that overlaps
        (f"{ANSWER}{ANSWER}", "repeated"),
        (HALF + " over and over" * 60, "repeated"),
        (HALF + " " + OTHER_ANSWER, "other"),  # somebody else went on
        (OTHER_ANSWER, "other"),
        ("<html><body>Sign in, your session has expired</body></html>", "other"),
        (f"{HALF}\nTraceback: the connection was lost while reading", "other"),
    ],
)
def test_success_is_measured_by_what_was_printed(stdout: str, verdict: str) -> None:
    assert judged(stdout).verdict == verdict


@pytest.mark.parametrize("stdout", ["", HALF, ANSWER, f"{HALF}{ANSWER}"])
def test_who_fails_has_told_whatever_was_printed(stdout: str) -> None:
    assert judged(stdout, code=1).verdict is Verdict.TOLD
    assert judged(stdout, code=-11).verdict is Verdict.TOLD


@pytest.mark.parametrize("stdout", ["", HALF, ANSWER])
def test_who_does_not_end_hangs_whatever_was_printed(stdout: str) -> None:
    assert judged(stdout, code=None).verdict is Verdict.HUNG


@pytest.mark.parametrize(
    "stdout, stderr", [(f"{HALF}\n[incomplete]", ""), (HALF, "warning: the answer is incomplete"), ("", "incomplete")]
)
def test_a_told_pattern_counts_on_both_outputs(stdout: str, stderr: str) -> None:
    assert judged(stdout, stderr=stderr, told="incomplete").verdict is Verdict.TOLD
    assert judged(stdout, stderr=stderr).verdict in (Verdict.CUT, Verdict.LOST)


def test_a_fault_that_did_not_fire_is_no_survival() -> None:
    measured = measure(ran(ANSWER), passage(ANSWER, fired=0))
    assert judge(measured, ran(ANSWER), passage(ANSWER, fired=0)).verdict is Verdict.NOT_FIRED
    assert judge(measured, ran("", 1), passage(fired=0)).verdict is Verdict.NOT_FIRED


def test_another_answer_to_a_second_request_is_whole() -> None:
    assert judged(OTHER_ANSWER, more=(OTHER_ANSWER,)).verdict is Verdict.WHOLE


def test_another_answer_after_half_of_the_first_is_a_repetition() -> None:
    judgement = judged(f"{HALF}\n{OTHER_ANSWER}", more=(OTHER_ANSWER,))
    assert judgement.verdict is Verdict.REPEATED
    assert "beginning of another" in judgement.why


def test_two_answers_that_begin_alike_are_not_taken_for_a_repetition() -> None:
    near = f"{ANSWER[:60]} and then went to sleep."
    assert judged(near, more=(near,)).verdict is Verdict.WHOLE


def test_what_the_healthy_run_says_twice_may_be_said_twice() -> None:
    """A program that streams an answer and prints it once more at its end."""
    healthy = f"{ANSWER}\n\nFinal: {ANSWER}"
    assert judged(healthy, healthy=healthy).verdict is Verdict.WHOLE
    assert judged(f"{HALF}\n\nFinal: {HALF}", healthy=healthy).verdict is Verdict.CUT
    assert judged(f"{HALF}\n\nFinal: {ANSWER}", healthy=healthy).verdict is Verdict.WHOLE
    assert judged(f"{HALF}{ANSWER}\n\nFinal: {ANSWER}", healthy=healthy).verdict is Verdict.REPEATED


def test_long_answers_are_judged_without_delay() -> None:
    long = " ".join(f"In year {year} the keeper saw {year * 7} ships." for year in range(1_000))
    healthy = f"{long}\n\nFinal: {long}"
    assert judged(healthy, healthy=healthy, answers=(long,)).verdict is Verdict.WHOLE
    assert judged(long[: len(long) // 2], healthy=healthy, answers=(long,)).verdict is Verdict.CUT


def test_an_answer_that_repeats_itself_is_whole() -> None:
    song = "Row, row, row your boat, gently down the stream. " * 4
    assert judged(song, healthy=song, answers=(song,)).verdict is Verdict.WHOLE
    assert judged(song[: len(song) // 2], healthy=song, answers=(song,)).verdict is Verdict.CUT


def test_the_faults_own_words_are_no_answer() -> None:
    """A program that prints the page it was given, and one that prints what never ended until it had enough."""
    measured = measure(ran(ANSWER), passage(ANSWER, fired=0))
    page = "<html><body>Sign in, your session has expired.</body></html>"
    hit = passage(ANSWER, hurt=(ANSWER,))
    hit.heard.append(bytearray(b"HTTP/1.1 200 OK\r\n\r\n" + page.encode()))
    assert judge(measured, ran(page), hit).verdict is Verdict.LOST
    endless = HALF + "".join(f" and {number}" for number in range(400))
    hit.heard[0][:] = f"\r\n\r\ndata: {json.dumps({'choices': [{'delta': {'content': endless}}]})}\n\n".encode()
    assert judge(measured, ran(endless[:900]), hit).verdict is Verdict.CUT
    assert judge(measured, ran(HALF + OTHER_ANSWER), hit).verdict is Verdict.OTHER


def test_of_several_answers_each_must_be_there() -> None:
    both = (ANSWER, OTHER_ANSWER)
    healthy = f"1. {ANSWER}\n2. {OTHER_ANSWER}\n"
    assert judged(healthy, healthy=healthy, answers=both).verdict is Verdict.WHOLE
    assert judged(f"1. {HALF}\n2. {OTHER_ANSWER}\n", healthy=healthy, answers=both).verdict is Verdict.CUT
    assert judged(f"1. {ANSWER}\n2. {OTHER_ANSWER[:50]}\n", healthy=healthy, answers=both).verdict is Verdict.CUT
    assert judged(f"1. {ANSWER}\n2.\n", healthy=healthy, answers=both).verdict is Verdict.CUT


def test_an_answer_between_a_programs_own_words() -> None:
    def output(answer: str) -> str:
        return f"> asking gpt-5-mini\n{answer}\n(12 tokens, 0.3 s)\n"

    healthy = output(ANSWER)
    assert judged(output(ANSWER).replace("0.3", "12.75"), healthy=healthy).verdict is Verdict.WHOLE
    assert judged(output(HALF), healthy=healthy).verdict is Verdict.CUT
    assert judged(output(""), healthy=healthy).verdict is Verdict.LOST
    assert judged("> asking gpt-5-mini\n", healthy=healthy).verdict is Verdict.LOST


@pytest.mark.parametrize("indent", [None, 2])
def test_an_answer_in_json_is_read(indent: int | None) -> None:
    def output(answer: str | None) -> str:
        return json.dumps({"answer": answer, "finish": "stop", "tokens": 7}, indent=indent)

    healthy = output(ANSWER)
    assert judged(output(ANSWER), healthy=healthy).verdict is Verdict.WHOLE
    assert judged(output(HALF), healthy=healthy).verdict is Verdict.CUT
    assert judged(output(None), healthy=healthy).verdict is Verdict.LOST


def test_an_answer_in_pieces_on_json_lines_is_read() -> None:
    def output(answer: str) -> str:
        return "".join(json.dumps({"d": answer[start : start + 9]}) + "\n" for start in range(0, len(answer), 9))

    assert judged(output(ANSWER), healthy=output(ANSWER)).verdict is Verdict.WHOLE
    assert judged(output(HALF), healthy=output(ANSWER)).verdict is Verdict.CUT


@pytest.mark.parametrize("text", ["42", "Paris.", "Yes, on Tuesday."])
def test_short_answers(text: str) -> None:
    assert judged(text, healthy=text, answers=(text,)).verdict is Verdict.WHOLE
    assert judged(text[:1], healthy=text, answers=(text,)).verdict is Verdict.CUT
    assert judged("", healthy=text, answers=(text,)).verdict is Verdict.LOST


def test_characters_shown_are_counted_without_white_space() -> None:
    judgement = judged("A lighthouse keeper")
    assert (judgement.shown_chars, judgement.of_chars) == (17, len("".join(ANSWER.split())))


@pytest.mark.parametrize(
    "healthy, went, said",
    [
        (ran(ANSWER), passage(), "OPENAI_BASE_URL"),
        (ran(ANSWER), passage(ANSWER, troubles=("status 401",)), "status 401"),
        (ran(ANSWER, 3, "Error: no key"), passage(ANSWER), "exit code 3: Error: no key"),
        (ran(ANSWER, None), passage(ANSWER), "did not end in time"),
        (ran(HALF), passage(ANSWER), "prints no answer as it came"),
        (ran("warning"), passage(""), "prints no answer as it came"),
    ],
)
def test_a_healthy_run_that_measures_nothing_stops_everything(healthy: Ran, went: Passage, said: str) -> None:
    with pytest.raises(ConfigurationSettingError, match=re.escape(said)):
        measure(healthy, went)


def test_a_told_pattern_that_matches_the_healthy_run_is_refused() -> None:
    with pytest.raises(ConfigurationSettingError, match="told-pattern"):
        measure(ran(ANSWER), passage(ANSWER), re.compile("ships"))
