"""Print every figure; fail if one costs too many times its reference."""

import sys

from bench import chain, guard, imports

SUITES = (guard, imports, chain)


def main() -> int:
    figures = [figure for suite in SUITES for figure in suite.figures()]
    width = max(len(figure.name) for figure in figures)
    print(f"{'':{width}}  {'µs':>9}  {'ratio':>6}  {'limit':>6}  reference")
    for figure in figures:
        print(
            f"{figure.name:{width}}  {figure.cost_us:9.2f}  {figure.ratio:6.2f}  {figure.limit:6.2f}  "
            f"{figure.reference} ({figure.reference_us:.2f} µs){'' if figure.passes else '   TOO MUCH'}"
        )
    return 0 if all(figure.passes for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
