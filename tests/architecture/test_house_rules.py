"""Small rules that keep the house readable."""

import re
import sys
from pathlib import Path

from tests.architecture.sources import PACKAGE, ROOT, imports, modules, tracked

MAX_LINES = 400
NAMES_THAT_SAY_NOTHING = {"utils", "util", "common", "helpers", "helper", "core", "base", "misc", "shared", "manager"}
READ_AS_TEXT = {".py", ".ts", ".js", ".md", ".toml", ".lock", ".json", ".html", ".css", ".yml", ".yaml", ".txt", ""}
REGISTRY_ADDRESS = re.compile(r"https?://\S+(?:\.whl|\.tgz|\.tar\.gz|/simple/|/-/)")
MACHINE_PATHS = tuple(f"{folder}/" for folder in (ROOT, Path.home(), Path(sys.prefix)))


def _texts() -> list[tuple[str, str]]:
    return [
        (str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
        for path in tracked()
        if path.suffix in READ_AS_TEXT
    ]


def test_no_source_file_is_longer_than_a_reader_holds() -> None:
    lengths = {str(path.relative_to(ROOT)): _lines(path) for path in tracked() if path.suffix in {".py", ".ts"}}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_every_module_has_a_name_that_says_what_is_in_it() -> None:
    assert [path for path in PACKAGE.rglob("*.py") if path.stem in NAMES_THAT_SAY_NOTHING] == []
    assert [path for path in PACKAGE.rglob("*") if path.is_dir() and path.name in NAMES_THAT_SAY_NOTHING] == []
    assert [path for path in PACKAGE.rglob("models") if path.is_dir()] == [], "`models` would mean three things here"


def test_no_file_names_a_package_registry() -> None:
    assert [(name, found[0]) for name, text in _texts() if (found := REGISTRY_ADDRESS.search(text))] == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    assert [(name, path) for name, text in _texts() for path in MACHINE_PATHS if path in text] == []


def test_no_test_mocks_our_own_code() -> None:
    mocking = {"unittest.mock", "mock", "pytest_mock"}
    found = [
        (path, line)
        for path, tree in modules(ROOT / "tests")
        for line, module, names in imports(tree)
        if module in mocking or (module == "unittest" and "mock" in names)
    ]
    assert found == []


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
