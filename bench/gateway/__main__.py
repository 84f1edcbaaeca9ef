"""What the base URL costs, beside a raw proxy, Portkey's gateway and LiteLLM's proxy, before the same provider.

The peers' environments are made at their first use, and need the network for it; without them: --only raw yaoki.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.gateway import report
from bench.gateway.loads import LOADS, Cost, Load, ask
from bench.gateway.plot import svg
from bench.gateway.report import Held, Results
from bench.gateway.subjects import GATEWAYS, Subject, provider

SHARES = {"LiteLLM proxy": 0.2}
"""Of the requests, for those that need ten times as long for each."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured; `share` is of each load's requests."""

    rounds: int
    starts: int
    share: float


WHOLE = Effort(rounds=3, starts=3, share=1.0)
QUICK = Effort(rounds=1, starts=1, share=0.1)


def main() -> None:
    options = _options()
    effort = QUICK if options.quick else WHOLE
    results = asyncio.run(_measure(options.only, effort))
    print(report.markdown(results))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "gateway.md").write_text(report.page(results))
        (options.out / "gateway.svg").write_text(svg(results))
        (options.out / "gateway.json").write_text(json.dumps(asdict(results), indent=1) + "\n")


async def _measure(names: Sequence[str], effort: Effort) -> Results:
    with ExitStack() as stack:
        asked = stack.enter_context(provider())
        starts = {name: _starts(name, asked, effort.starts) for name in names}
        gateways = {name: stack.enter_context(GATEWAYS[name](asked)) for name in names}
        subjects = [asked, *gateways.values()]
        costs = [
            (load.name, clients, subject.name, cost)
            for load in LOADS
            for clients in load.requests
            for subject, cost in zip(subjects, await _rounds(subjects, load, clients, effort), strict=True)
        ]
        held = [
            Held(one.name, one.versions, [*starts[name], one.start_s], one.idle_mb, one.memory_mb())
            for name, one in gateways.items()
        ]
    return Results(costs, held)


def _starts(name: str, asked: Subject, count: int) -> list[float]:
    """Seconds of the starts before the one that is measured further."""
    found: list[float] = []
    for _ in range(count - 1):
        _say(f"starting {name}")
        with GATEWAYS[name](asked) as subject:
            found.append(subject.start_s)
    return found


async def _rounds(subjects: Sequence[Subject], load: Load, clients: int, effort: Effort) -> list[Cost]:
    """Rounds in turn, so that whatever else the machine does hits all of them alike. The first one only warms."""
    found: dict[str, list[Cost]] = {subject.name: [] for subject in subjects}
    for number in range(effort.rounds + 1):
        _say(f"{load.name}, {clients} at a time, round {number} of {effort.rounds}")
        for subject in subjects:
            cost = await ask(subject, load, clients, share=effort.share * SHARES.get(subject.name, 1.0))
            if number:
                found[subject.name].append(cost)
    return [Cost.median(rounds) for rounds in found.values()]


def _say(what: str) -> None:
    print(f"… {what}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=GATEWAYS, default=list(GATEWAYS), help="these gateways")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests, once: to see whether it works")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write gateway.md, .svg and .json there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
