"""Plays many random streams, counts how they ended, and makes those that broke a promise small."""

import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.streams.faces import Seen, played
from tests.streams.judge import Verdict, judge
from tests.streams.scenario import Face, Scenario, scenario_of, smaller
from tests.streams.world import World

_MOST_TRIES = 400


@dataclass(slots=True)
class Run:
    """What came of many streams.

    Attributes:
        outcomes: How often each face ended in which way.
        broken: What was wrong, by seed.
        failovers: Seconds of the loop's clock that each took, first requests to the next model only.
        faults: How many of each were played.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    broken: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    failovers: list[float] = field(default_factory=list[float])
    faults: Counter[str] = field(default_factory=Counter[str])

    def add(self, other: "Run") -> None:
        """Count another run's streams with these."""
        self.outcomes += other.outcomes
        self.broken |= other.broken
        self.failovers += other.failovers
        self.faults += other.faults


def verdict_on(scenario: Scenario) -> tuple[World, Seen, Verdict]:
    """Play one stream; whatever comes out of it that is no answer and no error of ours is wrong."""
    try:
        world, seen = played(scenario)
    except Exception as error:  # noqa: BLE001 - any exception that reaches a face is a broken promise
        where = traceback.extract_tb(error.__traceback__)[-1]
        wrong = f"{type(error).__name__} out of {where.filename.rpartition('/')[2]}:{where.lineno}: {error}"
        return World(scenario), Seen(), Verdict("broken", [wrong])
    return world, seen, judge(world, seen)


def run(seeds: Iterable[int], face: Face | None = None) -> Run:
    """Play the streams of these seeds."""
    total = Run()
    for seed in seeds:
        scenario = scenario_of(seed, face)
        world, _, verdict = verdict_on(scenario)
        total.outcomes[scenario.face, verdict.outcome] += 1
        total.failovers += verdict.failovers
        total.faults.update(request.fault for request in world.requests)
        if verdict.wrong:
            total.broken[seed] = verdict.wrong
    return total


def shrink(scenario: Scenario) -> Scenario:
    """The smallest stream that can be found from this one and still breaks a promise."""
    for _ in range(_MOST_TRIES):
        less = next((one for one in smaller(scenario) if verdict_on(one)[2].wrong), None)
        if less is None:
            return scenario
        scenario = less
    return scenario


def transcript(scenario: Scenario) -> str:
    """What everybody said in one stream."""
    world, seen, verdict = verdict_on(scenario)
    lines = [f"{scenario}", ""]
    for asked in world.requests:
        lines.append(f"{asked.at - 1_000:8.2f} s  model {asked.model}, {asked.kind}, {asked.fault}")
        lines += [f"            after …{asked.half[-80:]!r}"] if asked.half else []
        lines += [f"            says {(asked.said or '')[:160]!r}"]
    lines += ["", f"seen: {seen}", f"verdict: {verdict.outcome} {verdict.wrong or 'as promised'}"]
    return "\n".join(lines)
