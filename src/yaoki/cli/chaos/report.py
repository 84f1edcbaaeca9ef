"""What a chaos report says: as JSON, and as a table in the terminal."""

from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from rich.table import Table
from rich.text import Text

from yaoki.cli.chaos.judge import BAD, MEANINGS, Verdict
from yaoki.cli.chaos.run import SCRIPTED, Outcome, Runs, without
from yaoki.resilience.clock import SYSTEM_CLOCK

_EXCERPT_CHARS = 2_000
_LAST_WORDS_CHARS = 1_000
_COLOURS = {Verdict.WHOLE: "green", Verdict.TOLD: "cyan", Verdict.OTHER: "yellow", Verdict.NOT_FIRED: "dim"}


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report, or one that was stopped on the way.

    Attributes:
        facts: Everything, as plain JSON values, without the keys that came with requests.
    """

    facts: dict[str, Any]

    @property
    def counts(self) -> dict[str, int]:
        """How often each verdict was reached."""
        return self.facts["verdicts"]

    @property
    def lies(self) -> int:
        """Answers that were cut and called success, repeated, hung or lost."""
        return sum(self.counts[verdict] for verdict in BAD)

    @property
    def fired(self) -> int:
        """Faults that reached the command."""
        return len(self.facts["runs"]) - self.counts[Verdict.NOT_FIRED]

    def headline(self) -> str:
        """The report in a few words."""
        unknown = {"not judged": self.counts[Verdict.OTHER], "did not fire": self.counts[Verdict.NOT_FIRED]}
        rest = "".join(f", {count} {what}" for what, count in unknown.items() if count)
        return f"{self.lies or 'none'} of {self.fired} faults ended badly{rest}"

    def table(self) -> Table:
        """The runs for a person."""
        table = Table(title_justify="left", show_lines=False)
        for column in ("fault", "row", "verdict", "shown", "s", "why"):
            table.add_column(column, overflow="fold", justify="right" if column in ("shown", "s") else "left")
        for one in self.facts["runs"]:
            verdict = Verdict(one["verdict"])
            table.add_row(
                one["fault"],
                one["row"],
                Text(verdict, style=_COLOURS.get(verdict, "red")),
                f"{one['shown_chars']}/{one['of_chars']}",
                f"{one['took_s']:g}",
                Text(one["why"]),
            )
        return table

    def sentences(self) -> list[str]:
        """What the figures mean."""
        said = [f"{count} {verdict}" for verdict, count in self.counts.items() if count]
        lines = [f"{len(self.facts['runs'])} faults: {', '.join(said) or 'none was run'}."]
        if self.counts[Verdict.NOT_FIRED]:
            lines.append("A fault that did not fire shows nothing: it is no survival.")
        if self.counts[Verdict.OTHER]:
            lines.append(
                "`other` is not judged: the command said words that the upstream never did. Look at the output."
            )
        if self.facts["interrupted"]:
            lines.append("Stopped before the end: what is missing is not in the report.")
        return lines


def report_of(runs: Runs) -> Report:
    """The report on what was run so far."""
    policy, healthy, measured = runs.policy, runs.healthy, runs.measured
    clean = without(runs.secrets)
    outcomes = runs.in_order()
    verdicts = Counter(outcome.judgement.verdict for outcome in outcomes)
    return Report(
        {
            "yaoki": version("yaoki"),
            "at": SYSTEM_CLOCK.utcnow().isoformat(timespec="seconds"),
            "command": [clean(word) for word in policy.command],
            "upstream": _address(policy.upstream),
            "client_base_url": _address(policy.client_base_url) if policy.client_base_url else None,
            "hits": policy.times or "all",
            "at_chars": policy.at,
            "timeout_s": policy.timeout_s,
            "pause_s": policy.pause_s,
            "told_pattern": policy.told.pattern if policy.told else None,
            "interrupted": runs.interrupted,
            "verdicts": {verdict.value: verdicts[verdict] for verdict in Verdict},
            "meanings": {verdict.value: meaning for verdict, meaning in MEANINGS.items()},
            "healthy": {
                "took_s": healthy.took_s if healthy else None,
                "answers": len(measured.answers) if measured else 0,
                "chars": sum(map(len, measured.answers)) if measured else 0,
                "stdout": _excerpt(healthy.stdout) if healthy else "",
            },
            "runs": [_run(outcome) for outcome in outcomes],
        }
    )


def _run(outcome: Outcome) -> dict[str, Any]:
    ran, judgement, passage = outcome.ran, outcome.judgement, outcome.passage
    return {
        "fault": outcome.fault.name,
        "row": outcome.fault.row,
        "summary": outcome.fault.summary,
        "verdict": judgement.verdict.value,
        "why": judgement.why,
        "shown_chars": judgement.shown_chars,
        "of_chars": judgement.of_chars,
        "took_s": ran.took_s,
        "exit_code": ran.exit_code,
        "fired": passage.fired,
        "asked": passage.asked,
        "other_requests": passage.others,
        "upstream_troubles": passage.troubles[:5],
        "stdout": _excerpt(ran.stdout),
        "stderr": ran.stderr[-_LAST_WORDS_CHARS:],
    }


def _excerpt(text: str) -> str:
    """The beginning and the end of what was printed."""
    if len(text) <= _EXCERPT_CHARS:
        return text
    half = _EXCERPT_CHARS // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters …\n{text[-half:]}"


def _address(base_url: str) -> str:
    """An address without whatever name, password or query stands in it."""
    if base_url == SCRIPTED:
        return SCRIPTED
    parts = urlsplit(base_url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
