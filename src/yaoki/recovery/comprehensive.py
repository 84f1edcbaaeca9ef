"""Recovery of everything: each part once, after the parts it depends on, and concurrently with all others.

store ─▶ sessions ─▶ channels          a part begins when all that it stands on have ended;
models ──────────────▶ channels        one that stands on a part that failed is not begun, and says so
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from yaoki.errors import ConfigurationSettingError, Record
from yaoki.recovery.case import Case
from yaoki.recovery.reports import RecoveryReport, next_steps
from yaoki.resilience.clock import SYSTEM_CLOCK, Scheduler


class Recoverable(Protocol):
    """A part of the system that can be brought back: a store, the models, the channels."""

    @property
    def name(self) -> str:
        """Its name, once in the system."""
        ...

    @property
    def stands_on(self) -> tuple[str, ...]:
        """Names of the parts that must work first. One that nobody registered counts as working."""
        ...

    async def recover(self) -> RecoveryReport:
        """Bring it back and check that it works; a part that is well reports recovered at once."""
        ...


class ComprehensiveReport(Record):
    """What became of every part.

    Attributes:
        outcome: recovered (all parts), degraded (some) or failed (none).
        parts: A report for each part, in the order in which they ended.
        failures: Names of the parts that failed by kind of error; those that were not begun stand under `not_begun`.
        seconds: In all.
        next_steps: What a person can do, each step once.
    """

    outcome: str
    parts: tuple[RecoveryReport, ...]
    failures: dict[str, tuple[str, ...]]
    seconds: float
    next_steps: tuple[str, ...]


async def recover_all(parts: Iterable[Recoverable], *, clock: Scheduler = SYSTEM_CLOCK) -> ComprehensiveReport:
    """Recover every part, in the order of what stands on what, concurrently where they are independent.

    Args:
        parts: Each name once.
        clock: Where durations come from.

    Raises:
        ConfigurationSettingError: A name twice, or parts that stand on each other in a circle.
    """
    by_name = _checked(parts)
    began = clock.monotonic()
    done: list[RecoveryReport] = []
    ended = {name: asyncio.Event() for name in by_name}

    async def run(part: Recoverable) -> None:
        for below in part.stands_on:
            if below in ended:
                await ended[below].wait()
        try:
            done.append(await _recover(part, done, clock))
        finally:
            ended[part.name].set()

    async with asyncio.TaskGroup() as group:
        for part in by_name.values():
            group.create_task(run(part))
    return _summary(done, clock.monotonic() - began)


async def _recover(part: Recoverable, done: list[RecoveryReport], clock: Scheduler) -> RecoveryReport:
    """The part's own report; one about its error if it raises; one that says why it was not begun."""
    failed = {report.operation for report in done if report.outcome == "failed"}
    missing = [below for below in part.stands_on if below in failed]
    if missing:
        step = f"Recover {', '.join(missing)} first."
        return _failed(part.name, "not_begun", 0.0, (step,))
    began = clock.monotonic()
    try:
        return (await part.recover()).but(operation=part.name)
    except Exception as error:  # noqa: BLE001 - one part's error is a line of the report; the others go on
        case = Case(name=part.name, operation=part.recover, error=error)
        kind = case.kind
        steps = next_steps(case.strategies, case.retry_after_s)
        return _failed(part.name, type(error).__name__ if kind is None else kind.name, clock.monotonic() - began, steps)


def _failed(name: str, kind: str, seconds: float, steps: tuple[str, ...]) -> RecoveryReport:
    return RecoveryReport(operation=name, kind=kind, outcome="failed", attempts=(), seconds=seconds, next_steps=steps)


def _checked(parts: Iterable[Recoverable]) -> dict[str, Recoverable]:
    by_name: dict[str, Recoverable] = {}
    for part in parts:
        if part.name in by_name:
            raise ConfigurationSettingError(f"Two parts are called {part.name!r}.")
        by_name[part.name] = part
    left = dict(by_name)
    while left:
        free = [name for name, part in left.items() if not any(below in left for below in part.stands_on)]
        if not free:
            raise ConfigurationSettingError(f"These parts stand on each other: {', '.join(left)}.")
        for name in free:
            del left[name]
    return by_name


def _summary(done: list[RecoveryReport], seconds: float) -> ComprehensiveReport:
    failed = [report for report in done if report.outcome == "failed"]
    kinds = dict.fromkeys(report.kind or "unknown" for report in failed)
    whole = all(report.outcome == "recovered" for report in done)
    return ComprehensiveReport(
        outcome="recovered" if whole else "failed" if len(failed) == len(done) else "degraded",
        parts=tuple(done),
        failures={
            kind: tuple(report.operation for report in failed if (report.kind or "unknown") == kind) for kind in kinds
        },
        seconds=seconds,
        next_steps=tuple(dict.fromkeys(step for report in done for step in report.next_steps)),
    )
