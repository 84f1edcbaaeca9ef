"""Print every figure; fail if one is beyond its limit.

python -m bench [--json | --markdown] [SUITE …]

What stands beside other people's software has commands of its own, which make environments for it at their first use:
python -m bench.guard, bench.gateway, bench.chain_model, bench.survival
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from bench import chain, failover, guard, healing, imports, sockets, spine
from bench.figures import Bound, Cells, Figure

SUITES = {
    suite.__name__.rpartition(".")[2]: suite for suite in (guard, imports, chain, failover, spine, healing, sockets)
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all by default")
    parser.add_argument("--json", action="store_const", const=as_json, dest="shape")
    parser.add_argument("--markdown", action="store_const", const=as_markdown, dest="shape")
    options = parser.parse_args()
    if unknown := sorted(set(options.suites) - set(SUITES)):
        parser.error(f"no suite is called {', '.join(unknown)}")
    figures = [figure for name in options.suites or SUITES for figure in SUITES[name].figures()]
    print("\n".join((options.shape or as_text)(figures)))
    return 0 if all(figure.passes for figure in figures) else 1


def as_text(figures: Sequence[Figure | Bound]) -> Iterator[str]:
    rows = [Cells._make(Cells._fields), *(figure.cells for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row, passes in zip(rows, (True, *(figure.passes for figure in figures)), strict=True):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield line.rstrip() if passes else f"{line.rstrip()}   TOO MUCH"


def as_markdown(figures: Sequence[Figure | Bound]) -> Iterator[str]:
    yield f"| {' | '.join(Cells._fields)} |"
    yield "|---" * len(Cells._fields) + "|"
    for figure in figures:
        name, measured, *others = figure.cells
        yield f"| {' | '.join((name, measured if figure.passes else f'**{measured}**', *others))} |"


def as_json(figures: Sequence[Figure | Bound]) -> Iterator[str]:
    yield json.dumps([{**asdict(figure), "passes": figure.passes} for figure in figures], indent=2, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
