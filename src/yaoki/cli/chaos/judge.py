"""What a command made of its answers, judged by what it printed and how it ended.

The measure is a healthy run of the same command: which of the answers it showed, and what it printed beside them.
White space counts for nothing, so that a terminal's line breaks do not either; colours are taken off; of JSON lines the
strings are read. Only text is judged.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from yaoki.cli.chaos.command import Ran
from yaoki.cli.chaos.text import beginning_in, counted, grams_of, longest, plain, strings_of_json
from yaoki.errors import ConfigurationSettingError
from yaoki.faults.chaos_proxy import Passage

_AGAIN_AND_AGAIN = re.compile(r"(.{4,60}?)\1{5,}")
_SLACK_CHARS = 16
"""What a run may print more than the healthy one beside the answer, such as a longer time taken."""
_GRAM_CHARS = 24
_FEWEST_CHARS = 8
_BEGUN_CHARS = 12


class Verdict(StrEnum):
    """What became of a run."""

    WHOLE = "whole"
    TOLD = "told"
    CUT = "cut"
    REPEATED = "repeated"
    HUNG = "hung"
    LOST = "lost"
    OTHER = "other"
    NOT_FIRED = "not fired"


BAD = (Verdict.CUT, Verdict.REPEATED, Verdict.HUNG, Verdict.LOST)
"""What a person at the other end would be wronged by."""

MEANINGS = {
    Verdict.WHOLE: "the whole answer, and success",
    Verdict.TOLD: "no success claimed: it failed, or said so",
    Verdict.CUT: "a part of the answer, called success",
    Verdict.REPEATED: "a stretch of the answer shown twice, called success",
    Verdict.HUNG: "no end within the time it had",
    Verdict.LOST: "nothing of the answer, called success",
    Verdict.OTHER: "success with words that the upstream never said: look yourself",
    Verdict.NOT_FIRED: "the fault never reached the command: nothing is known",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """One verdict, with its reason in words, and how much of the answers' text was shown (without white space)."""

    verdict: Verdict
    why: str
    shown_chars: int = 0
    of_chars: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What the healthy run showed.

    Attributes:
        view: How text is read from an output.
        output: The healthy run's own.
        answers: The answers that it showed whole, each once.
    """

    view: Callable[[str], str]
    output: str
    answers: tuple[str, ...]

    @property
    def beside(self) -> int:
        """Characters printed beside the answers."""
        return max(0, len(self.output) - sum(map(len, self.answers)))

    def shown(self, output: str) -> int:
        """Characters of the answers in an output: all, or the longest beginning and the longest end of each.

        Beside other words a part must have some length, or be half of its answer, to be one and no accident.
        """
        return sum(sum(self._parts(answer, output)) for answer in self.answers)

    def _parts(self, answer: str, output: str) -> Iterator[int]:
        begin = beginning_in(answer, output)
        end = longest(lambda size: answer[len(answer) - size :] in output, len(answer) - begin)
        fewest = min(_FEWEST_CHARS, len(answer) // 2) if len(output) > begin + end else 1
        return (part for part in (begin, end) if part >= fewest)


def measure(healthy: Ran, passage: Passage, told: re.Pattern[str] | None = None) -> Measure:
    """The measure that a healthy run gives.

    Raises:
        ConfigurationSettingError: It gives none: something is wrong before any fault.
    """
    if not passage.asked:
        others = f"asked the proxy for {passage.others} other things, and" if passage.others else ""
        raise ConfigurationSettingError(
            f"The command {others or 'did not reach the proxy: it'} asked for no chat completion. It must read "
            "OPENAI_BASE_URL, or take {base_url} as an argument; with --client-base-url, whatever answers there must "
            "have --port's address as its own base URL. Only /chat/completions is hit by faults."
        )
    if passage.troubles:
        raise ConfigurationSettingError(f"The upstream gave no whole answer without any fault: {passage.troubles[0]}.")
    if healthy.exit_code != 0:
        how = "did not end in time" if healthy.exit_code is None else f"ended with exit code {healthy.exit_code}"
        raise ConfigurationSettingError(f"Without any fault the command {how}: {_last_words(healthy)}")
    if told is not None and told.search(_both(healthy)):
        raise ConfigurationSettingError("--told-pattern matches what the command prints without any fault.")
    for view in (plain, strings_of_json):
        output = view(healthy.stdout)
        answers = tuple(dict.fromkeys(text for text in map(plain, passage.answers) if text and text in output))
        if answers:
            return Measure(view=view, output=output, answers=answers)
    raise ConfigurationSettingError(
        "Without any fault the command prints no answer as it came: its standard output is what is judged. "
        f"It printed: {healthy.stdout.strip()[:200]!r}"
    )


def judge(measured: Measure, ran: Ran, passage: Passage, told: re.Pattern[str] | None = None) -> Judgement:
    """The verdict on one run."""
    output = measured.view(ran.stdout)
    shown, of = measured.shown(output), sum(map(len, measured.answers))
    verdict, why = _without_success(ran, passage, told) or _of_success(measured, output, passage)
    return Judgement(verdict, why, of if verdict is Verdict.WHOLE else shown, of)


def _without_success(ran: Ran, passage: Passage, told: re.Pattern[str] | None) -> tuple[Verdict, str] | None:
    """The verdict on a run that does not claim to have succeeded, or that was never hit."""
    if not passage.fired:
        return Verdict.NOT_FIRED, "it was asked and not hit" if passage.asked else "the proxy was not asked"
    if ran.exit_code is None:
        return Verdict.HUNG, f"killed after {ran.took_s:g} s"
    if ran.exit_code != 0:
        return Verdict.TOLD, f"exit code {ran.exit_code}"
    if told is not None and (said := told.search(_both(ran))):
        return Verdict.TOLD, f"it said {said[0]!r}"
    return None


def _of_success(measured: Measure, output: str, passage: Passage) -> tuple[Verdict, str]:
    """The verdict on a run that says that it has succeeded."""
    given = tuple(dict.fromkeys(text for text in map(plain, passage.answers) if text))
    hurt = tuple(dict.fromkeys(text for text in map(plain, passage.hurt) if text))
    if stretch := _repeated(measured, output, (*measured.answers, *given, *hurt)):
        return Verdict.REPEATED, f"twice: {stretch!r}"
    whole = [text for text in dict.fromkeys((*measured.answers, *given)) if text in output]
    if len(whole) < len(measured.answers):
        return _not_whole(measured, output, passage)
    if begun := _begun_twice(output, hurt, whole):
        return Verdict.REPEATED, f"a new answer after the beginning of another: {begun!r}"
    return Verdict.WHOLE, ""


def _not_whole(measured: Measure, output: str, passage: Passage) -> tuple[Verdict, str]:
    shown, of = measured.shown(output), sum(map(len, measured.answers))
    surplus = len(output) - shown - measured.beside
    if surplus > _SLACK_CHARS:
        given = max((beginning_in(plain(text), output) for text in passage.hurt_as_given), default=0)
        if given <= shown + _SLACK_CHARS:
            return Verdict.OTHER, f"{surplus} characters that the upstream never said"
        verdict = Verdict.CUT if shown else Verdict.LOST
        return verdict, f"exit code 0, with words of the fault's own ({surplus} characters)"
    if shown:
        return Verdict.CUT, f"exit code 0 with {shown} of {of} characters"
    return Verdict.LOST, "exit code 0, and nothing of the answer"


def _repeated(measured: Measure, output: str, texts: Sequence[str]) -> str:
    """A stretch that is in the output more often than in the healthy one and in any of the texts; empty if none is."""
    known = dict.fromkeys(texts)
    for text in known:
        size = min(_GRAM_CHARS, max(_FEWEST_CHARS, len(text) // 4))
        grams = set(grams_of(text, size))
        allowed: Counter[str] = Counter()
        for source in (measured.output, *known):
            allowed |= counted(source, size, grams)  # the larger of both counts
        for gram, count in counted(output, size, grams).items():
            if count > allowed[gram]:
                return gram
    again = _AGAIN_AND_AGAIN.search(output)
    return again[1] if again and not _AGAIN_AND_AGAIN.search(measured.output) else ""


def _begun_twice(output: str, hurt: Sequence[str], whole: Sequence[str]) -> str:
    """The beginning of an answer that was hit and left standing before a whole one of other words."""
    for text in hurt:
        if text in output:
            continue
        begun = beginning_in(text, output)
        alike = max(longest(lambda size, text=text, one=one: one.startswith(text[:size]), len(text)) for one in whole)
        if begun >= _BEGUN_CHARS and begun > alike:
            return text[:begun][:60]
    return ""


def _both(ran: Ran) -> str:
    return f"{ran.stdout}\n{ran.stderr}"


def _last_words(ran: Ran) -> str:
    said = (ran.stderr.strip() or ran.stdout.strip() or "it said nothing").splitlines()
    return said[-1][:300]
