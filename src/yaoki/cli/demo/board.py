"""The demo's scoreboard: what came of each act, as a table, as JSON, and as an exit code."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from yaoki.cli.demo.score import Score

_NOT_THERE = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class CutAct:
    """The same cut for both sides.

    Attributes:
        cuts: How many connections were really cut; two are meant to be.
        after_chars: The text that came before the cut, of the `of_chars` that the recorded answer has.
        bare_told: What the bare SDK returned or raised, word for word.
        yaoki_told: Yaoki's terminal event.
    """

    cuts: int
    after_chars: int
    of_chars: int
    bare: Score
    yaoki: Score
    bare_told: Mapping[str, Any]
    yaoki_told: Mapping[str, Any]

    @property
    def won(self) -> bool:
        """Both were cut, Yaoki's client has its answer, and the other one has not."""
        return self.cuts == 2 and self.yaoki.survived and not self.bare.survived


@dataclass(frozen=True, slots=True, kw_only=True)
class KillAct:
    """The server's process is killed in the middle of an answer.

    Attributes:
        killed: SIGKILL ended the process, and the turn was taken up by the next one: it was really in the middle.
        after_chars: The text that had been shown by then.
        told: The terminal event.
    """

    killed: bool
    after_chars: int
    yaoki: Score
    told: Mapping[str, Any]

    @property
    def won(self) -> bool:
        """It happened, and the client has its answer."""
        return self.killed and self.yaoki.survived


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Both acts."""

    cut: CutAct
    kill: KillAct
    versions: Mapping[str, str]

    @property
    def won(self) -> bool:
        """Yaoki won both."""
        return self.cut.won and self.kill.won

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        cut, kill = self.cut, self.kill
        return {
            "won": self.won,
            "cut": {
                "won": cut.won,
                "cuts": cut.cuts,
                "after_chars": cut.after_chars,
                "of_chars": cut.of_chars,
                "bare_sdk": {**_plain(cut.bare), "told": dict(cut.bare_told)},
                "yaoki": {**_plain(cut.yaoki), "told": dict(cut.yaoki_told)},
            },
            "kill": {
                "won": kill.won,
                "killed": kill.killed,
                "after_chars": kill.after_chars,
                "yaoki": {**_plain(kill.yaoki), "told": dict(kill.told)},
            },
            "versions": dict(self.versions),
        }

    def table(self) -> Table:
        """The figures for a person."""
        table = Table(title="What each client was given", title_justify="left", show_lines=False)
        table.add_column("")
        for column in ("cut: bare SDK", "cut: Yaoki", "kill -9: Yaoki"):
            table.add_column(column, overflow="fold")
        scores = (self.cut.bare, self.cut.yaoki, self.kill.yaoki)
        for name, cell in _ROWS.items():
            table.add_row(name, *(cell(score) for score in scores))
        return table

    def verdict(self) -> list[str]:
        """What the figures mean, in sentences."""
        cut, bare = self.cut, self.cut.bare
        lines: list[str] = []
        if cut.cuts != 2:
            lines.append(f"The cut was to hit two connections and hit {cut.cuts}: act 1 shows nothing.")
        if not self.kill.killed:
            lines.append("The server was not killed in the middle of the answer: act 2 shows nothing.")
        if bare.half_sold_as_whole:
            lines.append(f"The bare SDK returned {bare.chars} of {cut.of_chars} characters as a success.")
        elif not bare.claims_success:
            lines.append(f"The bare SDK said that it failed, and has {bare.chars} of {cut.of_chars} characters.")
        lines += [_sentence("After the cut", cut.yaoki), _sentence("After kill -9", self.kill.yaoki)]
        return [*lines, "Yaoki won." if self.won else "Yaoki did not win."]


def _plain(score: Score) -> dict[str, Any]:
    return {**asdict(score), "ends": list(score.ends), "survived": score.survived}


def _sentence(when: str, score: Score) -> str:
    if score.survived:
        return f"{when} Yaoki's client has one whole answer, after a pause of {score.pause_s} s."
    found = {
        "half an answer was called whole": score.half_sold_as_whole,
        f"the answer ended as {' and '.join(score.ends) or 'nothing at all'}": not score.claims_success,
        f"{score.lost_chars} characters were lost": bool(score.lost_chars),
        f"{score.repeated_chars} characters came twice": bool(score.repeated_chars),
        f"it ended {len(score.ends)} times": len(score.ends) != 1,
    }
    return f"{when} Yaoki failed: {', '.join(text for text, true in found.items() if true)}."


def _yes(true: bool) -> str:
    return "yes" if true else "no"


def _count(number: float | None) -> str:
    return _NOT_THERE if number is None else str(number)


_ROWS: dict[str, Callable[[Score], str]] = {
    "how it ended": lambda score: "; ".join(score.ends) or "not at all",
    "called a success": lambda score: _yes(score.claims_success),
    "whole": lambda score: _yes(score.whole),
    "characters": lambda score: _count(score.chars),
    "… that never came": lambda score: _count(score.missing_chars),
    "… lost": lambda score: _count(score.lost_chars),
    "… said twice": lambda score: _count(score.repeated_chars),
    "longest pause, s": lambda score: _count(score.pause_s),
    "survived": lambda score: _yes(score.survived),
}
