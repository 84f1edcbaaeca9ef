"""The tables, and the page they stand on."""

import os
import platform
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.gateway.loads import LOADS, STREAM, WHOLE, Cost

_NONE_MS = 0.05
"""Less than this is not told apart from nothing."""
RAW, OURS, LITELLM, DIRECT = "raw proxy", "Yaoki", "LiteLLM proxy", "the provider itself"


@dataclass(frozen=True, slots=True)
class Held:
    """What a gateway needs before and beside its answers.

    Attributes:
        versions: Of the gateway, where it is none of ours.
        starts_s: Seconds from each spawn until it took connections.
        idle_mb: Megabytes (PSS) after the start.
        worked_mb: The same after all loads.
    """

    name: str
    versions: str
    starts_s: list[float]
    idle_mb: float
    worked_mb: float

    @property
    def start_s(self) -> float:
        """The median start."""
        return statistics.median(self.starts_s)


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that a run has found; `costs` by load, clients at a time, and subject."""

    costs: list[tuple[str, int, str, Cost]]
    held: list[Held]

    def cost(self, load: str, clients: int, name: str) -> Cost | None:
        """One of them; None if it was not measured."""
        return next((cost for *key, cost in self.costs if key == [load, clients, name]), None)

    def added_ms(self, load: str, clients: int, name: str, *, first: bool = False) -> float | None:
        """What a client waits longer than at the provider itself."""
        cost, direct = self.cost(load, clients, name), self.cost(load, clients, DIRECT)
        if cost is None or direct is None:
            return None
        return cost.first_ms - direct.first_ms if first else cost.wait_ms - direct.wait_ms

    def holds(self, name: str) -> Held | None:
        """What one of them needs."""
        return next((held for held in self.held if held.name == name), None)


def markdown(results: Results) -> str:
    """All tables."""
    return "\n".join((*_targets(results), "", *_costs(results), "", *_held(results)))


def page(results: Results) -> str:
    """The page with its tables and its picture."""
    names = [f"{held.name} {held.versions}" for held in results.held if held.versions]
    names += [f"{name} {version(name)}" for name in ("aiohttp", "uvicorn", "httptools")]
    where = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    text = (Path(__file__).parent / "page.md").read_text()
    return text.replace("<versions>", f"{', '.join(names)}, {where}").replace("<tables>", markdown(results))


def _targets(results: Results) -> Iterator[str]:
    """What was to be reached, and what was."""
    yield "| figure | reached | to be reached |"
    yield "|---|---|---|"
    for load, peer, limit in (
        (WHOLE, LITELLM, 1 / 25),
        (WHOLE, RAW, 3.0),
        (STREAM, LITELLM, 1 / 30),
        (STREAM, RAW, 2.5),
    ):
        ours, theirs = results.cost(load.name, 16, OURS), results.cost(load.name, 16, peer)
        if ours and theirs:
            name = f"processor time, {load.name}, beside the {peer}"
            yield _target(name, ours.cpu_us / theirs.cpu_us, limit)
    ours_ms, raw_ms = (results.added_ms(WHOLE.name, 1, name) for name in (OURS, RAW))
    if ours_ms is not None and raw_ms is not None:
        name = f"added wait, {WHOLE.name}, one client, beside the {RAW}"
        yield _target(name, ours_ms / max(raw_ms, _NONE_MS), 3.0)
    mine, peers = results.holds(OURS), results.holds(LITELLM)
    if mine and peers:
        yield _target("memory after the start, beside the LiteLLM proxy", mine.idle_mb / peers.idle_mb, 0.4)
        yield _target("memory after all loads, beside the LiteLLM proxy", mine.worked_mb / peers.worked_mb, 0.4)
        yield _target("start, beside the LiteLLM proxy", mine.start_s / peers.start_s, 0.4)


def _target(name: str, reached: float, limit: float) -> str:
    told = _ratio(max(reached, 0.0)) if reached <= limit else f"**{_ratio(reached)}**"
    return f"| {name} | {told} | {_ratio(limit)} |"


def _ratio(number: float) -> str:
    return f"1/{1 / number:.1f}".removesuffix(".0") if 0 < number < 0.2 else f"{number:.2f} ×"


def _costs(results: Results) -> Iterator[str]:
    yield "| load | at a time | gateway | CPU an answer | × raw | added wait | added wait for the first word |"
    yield "|---|---|---|---|---|---|---|"
    for load in LOADS:
        for clients in load.requests:
            raw = results.cost(load.name, clients, RAW)
            for held in results.held:
                cost = results.cost(load.name, clients, held.name)
                if cost is None or raw is None:
                    continue
                waits = [results.added_ms(load.name, clients, held.name, first=first) for first in (False, True)]
                told = [f"{wait:.2f} ms" for wait in waits if wait is not None]
                if not load.streamed:
                    told[1] = ""
                yield (
                    f"| {load.name} | {clients} | {held.name} | {cost.cpu_us:,.0f} µs | {cost.cpu_us / raw.cpu_us:.2f} "
                    f"| {' | '.join(told)} |"
                )


def _held(results: Results) -> Iterator[str]:
    yield "| gateway | start | memory after the start | after all loads |"
    yield "|---|---|---|---|"
    for held in results.held:
        yield f"| {held.name} | {held.start_s:.2f} s | {held.idle_mb:.0f} MB | {held.worked_mb:.0f} MB |"
