"""What an import costs, and who may import what (the layers and doors are import-linter's, in pyproject.toml)."""

import json
import subprocess
import sys

import pytest

from tests.architecture.sources import PACKAGE, imports, modules

PURE = ("errors", "resilience", "recovery")

IN_A_FRESH_PYTHON = """
import json, sys
before = set(sys.modules)
{statement}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def _loaded_by(statement: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PYTHON.format(statement=statement)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def test_importing_yaoki_loads_nothing_else() -> None:
    assert _loaded_by("import yaoki") == ["yaoki"]


def test_an_error_loads_only_the_errors() -> None:
    assert _packages(_loaded_by("from yaoki import AIOrchestrationError")) == {"errors"}


def test_the_decorator_loads_only_the_pure_layers_and_the_standard_library() -> None:
    loaded = _loaded_by("from yaoki import handle_ai_errors")
    assert _packages(loaded) == set(PURE)
    assert {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names == {"yaoki"}


def _packages(loaded: list[str]) -> set[str]:
    return {name.split(".")[1] for name in loaded if name.startswith("yaoki.")}


@pytest.mark.parametrize("layer", PURE)
def test_pure_layers_import_only_the_standard_library(layer: str) -> None:
    allowed = sys.stdlib_module_names | {"yaoki"}
    foreign = [
        f"{path}:{line} imports {module}"
        for path, tree in modules(PACKAGE / layer)
        for line, module, _ in imports(tree)
        if module.partition(".")[0] not in allowed
    ]
    assert foreign == []


def test_nothing_inside_imports_from_the_public_table() -> None:
    found = [
        f"{path}:{line}" for path, tree in modules(PACKAGE) for line, module, _ in imports(tree) if module == "yaoki"
    ]
    assert found == []
