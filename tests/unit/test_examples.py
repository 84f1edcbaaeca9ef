"""The examples in docstrings and on the pages of the primitives do what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

import yaoki

ROOT = Path(__file__).parents[2]
PACKAGE = Path(yaoki.__file__).parent
PACKAGES = ("errors", "resilience", "recovery", "testing")
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for package in PACKAGES
    for path in sorted((PACKAGE / package).glob("[a-z]*.py"))
]
PAGES = sorted((ROOT / "docs" / "primitives").glob("*.md"))
OPTIONS = doctest.IGNORE_EXCEPTION_DETAIL | doctest.ELLIPSIS
SECTIONS = ("About", "Usage", "Defaults", "Notices", "Do not")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name), optionflags=OPTIONS).failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page(page: Path) -> None:
    result = doctest.testfile(str(page), module_relative=False, encoding="utf-8", optionflags=OPTIONS)
    assert result.failed == 0
    assert result.attempted > 0 or page.stem == "README"


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "README"], ids=lambda page: page.stem)
def test_a_page_has_every_section_and_is_in_the_index(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    wanted = [section for section in SECTIONS if not (section == "Notices" and page.stem == "notices")]
    assert [section for section in wanted if f"\n## {section}\n" not in text] == []
    assert f"({page.name})" in (page.parent / "README.md").read_text(encoding="utf-8")
