"""The public face: `from yaoki import …`."""

import ast
import importlib
import subprocess
import sys

import pytest

import yaoki
from tests.architecture.sources import PACKAGE, imports

ALL_OF_THESE = ("yaoki.errors", "yaoki.resilience", "yaoki.recovery")


@pytest.mark.parametrize("name", yaoki.__all__)
def test_a_public_name_is_what_its_home_defines(name: str) -> None:
    home = importlib.import_module(yaoki._HOME_OF[name])
    assert getattr(yaoki, name) is getattr(home, name)
    assert name in dir(yaoki)


@pytest.mark.parametrize("home", ALL_OF_THESE)
def test_every_name_of_a_public_home_is_in_the_table(home: str) -> None:
    _, names = yaoki._HOMES[home]
    assert list(names) == sorted(importlib.import_module(home).__all__)


def test_type_checkers_see_the_same_table() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    for_checkers = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        name
        for _, home, names in imports(ast.Module(for_checkers.body, []))
        for name in (importlib.import_module(home).__all__ if names == ("*",) else names)
    }
    assert seen == set(yaoki.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        yaoki.Nonsense  # noqa: B018 - the access is the test


def test_a_missing_extra_is_named_by_the_error() -> None:
    program = (
        "import sys; sys.modules['pydantic_ai'] = None\n"
        "import yaoki\n"
        "try:\n    yaoki.ChainModel\n"
        "except yaoki.ConfigurationMissingExtraError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "yaoki.llm.chain_model needs the extra 'chain': pip install 'yaoki[chain]'"
