"""Makes docs/capabilities.md from the acceptance suite: `python -m tests.capabilities`."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUITE = ROOT / "tests" / "test_error_handling.py"
PAGE = ROOT / "docs" / "capabilities.md"

_HEAD = """# Capabilities

What can be named, and whether it is there. Each row is a test of `tests/test_error_handling.py`; one that is not
delivered is expected to fail there, strictly. This page is made by `python -m tests.capabilities`.

| capability | what it does | |
|---|---|---|
"""


def page() -> str:
    """The page, from the suite as it is."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    tests = [node for node in ast.parse(SUITE.read_text()).body if isinstance(node, functions)]
    rows = [_row(test) for test in tests if test.name.startswith("test_")]
    return _HEAD + "\n".join(rows) + "\n"


def _row(test: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    name = test.name.removeprefix("test_").replace("_", " ")
    missing = any("xfail" in ast.unparse(mark) for mark in test.decorator_list)
    return f"| {name} | {ast.get_docstring(test)} | {'not yet' if missing else 'there'} |"


if __name__ == "__main__":
    PAGE.write_text(page())
