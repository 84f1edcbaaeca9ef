"""`yaoki chaos`: faults in front of somebody's own stack, and a report of what came of them."""

import asyncio
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from yaoki.cli.chaos.page import page
from yaoki.cli.chaos.report import Report, report_of
from yaoki.cli.chaos.run import ChaosPolicy, Runs, run_all
from yaoki.cli.outcome import FAILED, INTERRUPTED, MISUSED, OK, say, tell
from yaoki.errors import AIOrchestrationError, ConfigurationSettingError
from yaoki.faults.sets import SETS, members

_PLAIN_WIDTH = 120


def chaos(policy: ChaosPolicy, *, folder: Path, as_json: bool) -> int:
    """Run the command under each fault; write and print the report.

    Returns:
        0: nothing was cut and called success, repeated, hung or lost; 1: something was; 130: stopped, with a report on
        what had been run.

    Raises:
        ConfigurationSettingError: Nothing could be measured, or no fault reached the command.
    """
    runs = Runs(policy)
    try:
        asyncio.run(run_all(runs, tell))
    except (asyncio.CancelledError, KeyboardInterrupt):
        runs.interrupted = True
    except ExceptionGroup as group:
        raise _first_of(group) from group
    report = report_of(runs)
    _write(report, folder)
    _print(report, folder, as_json=as_json)
    if runs.interrupted:
        return INTERRUPTED
    if not report.fired:
        tell("yaoki: no fault reached the command: nothing is shown.")
        return MISUSED
    return FAILED if report.lies else OK


def command_of(words: Sequence[str], line: str | None) -> tuple[str, ...]:
    """The command, given as words or as one line.

    Raises:
        ConfigurationSettingError: It was given in both ways or none, or the line has an open quotation mark.
    """
    if bool(words) == bool(line):
        raise ConfigurationSettingError("Name one command: after --, or as --command.")
    try:
        return tuple(words or shlex.split(line or ""))
    except ValueError as error:
        raise ConfigurationSettingError(f"--command: {error}.") from error


def times_of(word: str) -> int | None:
    """How many requests are hit; None for `always`.

    Raises:
        ConfigurationSettingError: It is neither a number of 1 or more nor `always`.
    """
    if word == "always":
        return None
    if not word.isdecimal() or int(word) < 1:
        raise ConfigurationSettingError(f"--times is `always` or a number of 1 or more, not {word!r}.")
    return int(word)


def pattern_of(regex: str | None) -> re.Pattern[str] | None:
    """The pattern of what counts as having said that something is wrong.

    Raises:
        ConfigurationSettingError: It is no regular expression.
    """
    try:
        return None if regex is None else re.compile(regex)
    except re.error as error:
        raise ConfigurationSettingError(f"--told-pattern: {error}.") from error


def list_faults() -> None:
    """Print every set, and every fault in it, with a sentence."""
    for name, what in SETS.items():
        say(f"{name}: {what}")
        if name != "all":
            for fault in members(name):
                say(f"  {fault.row:4} {fault.name:26} {fault.summary.replace('--pause ', '--pause-s ')}")


def _write(report: Report, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "chaos.json").write_text(json.dumps(report.facts, ensure_ascii=False, indent=1) + "\n", "utf-8")
        (folder / "chaos.html").write_text(page(report), "utf-8")
    except OSError as error:
        raise ConfigurationSettingError(f"--out {folder}: cannot be written ({error.strerror}).") from error


def _print(report: Report, folder: Path, *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(report.facts, ensure_ascii=False))
        return
    console = Console(width=None if Console().is_terminal else _PLAIN_WIDTH)
    console.print(report.table())
    for line in report.sentences():
        console.print(line, markup=False, highlight=False)
    say(f"Written: {folder / 'chaos.html'}, {folder / 'chaos.json'}")


def _first_of(group: ExceptionGroup[Exception]) -> Exception:
    errors: Sequence[Exception] = group.exceptions
    return next((error for error in errors if isinstance(error, AIOrchestrationError)), errors[0])
