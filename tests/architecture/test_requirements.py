"""Every promise has a test, and every test that names a promise names one that exists."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import pytest

from tests.architecture.sources import ROOT, modules
from tests.requirements import REQUIREMENTS, UNPROVEN


def test_every_delivered_row_has_a_test() -> None:
    unproven = [row.id for row in REQUIREMENTS if row.delivered and row.id not in _marked()]
    assert unproven == []


def test_no_row_says_that_it_has_no_test_when_it_has_one() -> None:
    assert [row.id for row in REQUIREMENTS if row.not_yet == UNPROVEN and row.id in _marked()] == []


def test_every_mark_names_a_row_that_exists() -> None:
    known = {row.id for row in REQUIREMENTS}
    unknown = {id_: places for id_, places in _marked().items() if id_ not in known}
    assert unknown == {}


def test_marks_stand_on_tests() -> None:
    misplaced = [
        f"{path}:{node.lineno}"
        for path, tree in modules(ROOT / "tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(_is_mark(decorator) for decorator in node.decorator_list)
        and not node.name.startswith("test_")
    ]
    assert misplaced == []


def test_every_row_is_there_once_and_says_what_it_promises() -> None:
    ids = [row.id for row in REQUIREMENTS]
    assert len(ids) == len(set(ids))
    assert [row.id for row in REQUIREMENTS if not row.text] == []


def _is_mark(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "requirement"
        and ast.unparse(node.func) == "pytest.mark.requirement"
    )


@cache
def _marked() -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in modules(ROOT / "tests"):
        for line, id_ in _ids(path, tree):
            places[id_].append(f"{path}:{line}")
    return dict(places)


def _ids(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and _is_mark(node)):
            continue
        for argument in node.args:
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                pytest.fail(f"{path}:{node.lineno}: the ids of a requirement mark are written as literals")
            yield node.lineno, argument.value
