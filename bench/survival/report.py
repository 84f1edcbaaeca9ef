"""The run as tables, as JSON, and as a plot."""

import json
import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.survival import plot
from bench.survival.asking import DEADLINE_S, MAX_TOKENS, TIMEOUT_S
from bench.survival.matrix import Result
from bench.survival.stage import BOUND_S, GROUPS, group_of
from bench.survival.subjects import SUBJECTS
from bench.survival.verdict import VERDICTS
from yaoki.faults.script import Behaviour
from yaoki.resilience.clock import SYSTEM_CLOCK

Results = dict[str, list[Result]]
"""By the subject's name."""
_PAGE = Path(__file__).with_name("page.md")
_MARKS = {
    "completed": "✓",
    "told": "!",
    "repeated": "2×",
    "passed off": "✗",
    "hung": "∞",
    "lost": "?",
    "fine": "·",
    "false alarm": "△",
}


def totals(results: Results) -> str:
    """Faults by verdict for each subject and kind of fallback, and what it made of healthy streams."""
    head = ["subject", "fallback", "faults", *VERDICTS, "odd, healthy", "fine", "false alarm"]
    return "\n".join(_table(head, _total_rows(results)))


def write(results: Results, folder: Path, took_s: float) -> None:
    """Write `survival.md`, `survival.json` and `survival.svg`; `took_s` are the seconds of the whole run."""
    facts = {
        "date": f"{SYSTEM_CLOCK.utcnow():%d %B %Y}",
        "versions": ", ".join(sorted({one for name in results for one in SUBJECTS[name].versions.split(", ")})),
        "machine": f"Python {platform.python_version()}, {os.cpu_count()} cores",
        "timeout": f"{TIMEOUT_S:g} s",
        "bound": f"{BOUND_S:g} s",
        "deadline": f"{DEADLINE_S:g} s",
        "minutes": f"{took_s / 60:.0f} minutes",
        "max_tokens": str(MAX_TOKENS),
    }
    page = _PAGE.read_text()
    for name, value in {**facts, "totals": totals(results), "matrix": "\n".join(_matrix(results))}.items():
        page = page.replace(f"{{{name}}}", value)
    (folder / "survival.md").write_text(page)
    (folder / "survival.json").write_text(_json(facts, results))
    (folder / "survival.svg").write_text(plot.svg(_bars(results)))


def _total_rows(results: Results) -> Iterator[list[str]]:
    for name, found in results.items():
        for at, kind in enumerate(SUBJECTS[name].fallbacks):
            counts = _counts(found, kind)
            faults = sum(counts[verdict] for verdict in VERDICTS)
            odd = counts["fine"] + counts["false alarm"]
            healthy = [str(odd), str(counts["fine"]), str(counts["false alarm"])] if at == 0 else ["", "", ""]
            title = SUBJECTS[name].title if at == 0 else ""
            yield [
                title,
                kind.replace("_", " "),
                str(faults),
                *(str(counts[verdict]) for verdict in VERDICTS),
                *healthy,
            ]


def _counts(found: Sequence[Result], kind: Behaviour) -> Counter[str]:
    return Counter(result.verdict for result in found if result.case.fallback == kind)


def _matrix(results: Results) -> Iterator[str]:
    """A row for each fault; where the kind of fallback makes a difference, a mark for each kind."""
    marks = {name: _marks(found) for name, found in results.items()}
    found_faults = {result.case.fault.name: result.case.fault for found in results.values() for result in found}
    faults = sorted(found_faults.values(), key=lambda fault: GROUPS.index(group_of(fault)))
    for group, members in groupby(faults, group_of):
        yield f"\n### {group[0].upper()}{group[1:]}\n"
        head = ["behaviour", "what it does", *(SUBJECTS[name].column for name in results)]
        rows = ([f"`{one.name}`", one.summary, *(marks[name][one.name] for name in results)] for one in members)
        yield from _table(head, rows)


def _marks(found: Sequence[Result]) -> dict[str, str]:
    kinds: dict[str, list[str]] = {}
    for result in found:
        kinds.setdefault(result.case.fault.name, []).append(_MARKS[result.verdict])
    return {name: marks[0] if len(set(marks)) == 1 else " ".join(marks) for name, marks in kinds.items()}


def _table(head: list[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _json(facts: dict[str, str], results: Results) -> str:
    """One line for each cell, so that two runs can be compared."""
    lines = [json.dumps(_cell(name, result), ensure_ascii=False) for name, found in results.items() for result in found]
    return f'{{"facts": {json.dumps(facts, ensure_ascii=False)},\n"cells": [\n' + ",\n".join(lines) + "\n]}\n"


def _cell(name: str, result: Result) -> dict[str, Any]:
    heard = result.heard
    cell = {
        "subject": name,
        "fault": result.case.fault.name,
        "fallback": result.case.fallback,
        "verdict": result.verdict,
        "asked": result.asked,
        "seconds": heard and heard.seconds,
        "shown_chars": heard and len(heard.text),
        "finish": heard and heard.finish,
        "raised": heard and heard.raised,
    }
    return {name: value for name, value in cell.items() if value is not None}


def _bars(results: Results) -> dict[str, list[plot.Bar]]:
    """Two panels: every subject before a fallback that honours a prefill, and those that were tried with the others."""
    others = [name for name in results if len(SUBJECTS[name].fallbacks) > 1]
    return {
        "The fallback honours a prefill": [
            plot.Bar(SUBJECTS[name].plain_title, _counts(found, "honour")) for name, found in results.items()
        ],
        "It refuses it, ignores it, or talks over it": [
            plot.Bar(
                SUBJECTS[name].plain_title,
                sum((_counts(results[name], kind) for kind in SUBJECTS[name].fallbacks[1:]), Counter[str]()),
            )
            for name in others
        ],
    }
