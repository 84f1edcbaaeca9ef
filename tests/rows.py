"""Makes docs/rows.md from the table of promises and the marks on the tests: `python -m tests.rows`."""

import ast
from collections import defaultdict

from tests.architecture.sources import ROOT, modules
from tests.faults import test_grid, v1
from tests.requirements import REQUIREMENTS
from yaoki.faults import FAULTS

PAGE = ROOT / "docs" / "rows.md"

_HEAD = """# Rows

What Yaoki promises under which fault, and the tests that show it. `P-1` to `P-9` are the promises, the others faults. A
row without a test says why. This page is made by `python -m tests.rows`.

Faults with chance in them print their seed (`YAOKI_FAULT_SEED=…`) when they fail; the same variable brings a run back:

    YAOKI_FAULT_SEED=271828 .venv/bin/python -m pytest tests/faults/test_storms.py tests/faults/test_second_faults.py

| row | promise, or fault → what happens | shown by |
|---|---|---|
"""

_GRID = """
## Model faults × fallbacks × faces

How many faults of each row are played in front of fallbacks that honour half an answer, refuse it, ignore it or talk
over it, in either way of asking. A turn and an agent are whole in every cell; the base URL is whole, or tells it inside
the stream where a seam was refused. Ends that are no faults of the wire (`length`, `content_filter`, odd calls) have
tests of their own in the table above. Random streams on top: [benchmarks/streams.md](benchmarks/streams.md).

| row | faults | agent turn | `ChainModel` in an agent | `/v1` streamed | `/v1` not streamed |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The page, from the tests as they are."""
    return _rows() + _grid()


def _grid() -> str:
    turns, urls = len(test_grid.BEHAVIOURS), len(v1.FALLBACKS)
    rows: dict[str, int] = defaultdict(int)
    for name in test_grid.FAULTS:
        rows[FAULTS[name].row] += 1
    return _GRID + "".join(
        f"| {row} | {count} | × {turns} | × {turns} | × {urls} | × {urls} |\n"
        for row, count in sorted(rows.items(), key=lambda item: int(item[0][1:]))
    )


def _rows() -> str:
    files = _files_by_row()
    return _HEAD + "".join(
        f"| {row.id} | {row.text} | {_shown_by(files[row.id]) if row.delivered else f'not yet: {row.not_yet}'} |\n"
        for row in REQUIREMENTS
    )


def _shown_by(files: dict[str, int]) -> str:
    return ", ".join(
        f"[{file.rpartition('/')[2].removesuffix('.py')}](../{file})" + (f" ({tests})" if tests > 1 else "")
        for file, tests in sorted(files.items())
    )


def _files_by_row() -> dict[str, dict[str, int]]:
    """How many test functions of which file carry the mark of a row; a mark on a module counts once."""
    rows: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for path, tree in modules(ROOT / "tests"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.requirement":
                for argument in node.args:
                    rows[str(ast.literal_eval(argument))][path] += 1
    return rows


if __name__ == "__main__":
    PAGE.write_text(page())
