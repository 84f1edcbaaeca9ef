"""Run the matrix, print the totals, and write the tables."""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from bench.survival import matrix, report
from bench.survival.stage import cases, faults
from bench.survival.subjects import SUBJECTS, Subject
from yaoki.faults import Fault
from yaoki.resilience.clock import SYSTEM_CLOCK


def main() -> None:
    options = _options()
    chosen = [fault for fault in faults(quick=options.quick) if not options.fault or fault.name in options.fault]
    subjects = [SUBJECTS[name] for name in options.subject or SUBJECTS]
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    began = SYSTEM_CLOCK.monotonic()
    results = asyncio.run(_run(subjects, chosen))
    print(report.totals(results))
    if options.verbose:
        print("\n".join(_told(results)))
    if options.out:
        report.write(results, options.out, SYSTEM_CLOCK.monotonic() - began)


async def _run(subjects: Sequence[Subject], chosen: Sequence[Fault]) -> dict[str, list[matrix.Result]]:
    """One subject after the other, so that none is slowed by another."""
    return {subject.name: await matrix.run(subject, cases(chosen, subject.fallbacks)) for subject in subjects}


def _told(results: dict[str, list[matrix.Result]]) -> list[str]:
    return [
        f"{name} {result.case.id}: {result.verdict} {result.asked} {result.heard}"
        for name, found in results.items()
        for result in found
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.survival", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every twelfth fault")
    parser.add_argument("--subject", action="append", choices=SUBJECTS, help="only this one; may be repeated")
    parser.add_argument("--fault", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--verbose", action="store_true", help="print what was heard in each cell")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write survival.md, .json and .svg there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
