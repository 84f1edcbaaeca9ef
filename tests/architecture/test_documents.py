"""The documents: what they point at is there."""

import re
from pathlib import Path

from tests.architecture.sources import ROOT, tracked
from yaoki.settings.sections import NAMED, SINGLE

LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        (str(path.relative_to(ROOT)), target)
        for path in tracked()
        if path.suffix == ".md"
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if not (_stands_in(path) / target).exists()
    ]
    assert broken == []


def _stands_in(path: Path) -> Path:
    """The folder that a document's links start from: what a bench writes out stands in docs/benchmarks."""
    return ROOT / "docs" / "benchmarks" if path.is_relative_to(ROOT / "bench") else path.parent


def test_every_decision_is_listed_in_their_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in folder.glob("[0-9]*.md") if f"({path.name})" not in index] == []


def test_every_setting_is_described() -> None:
    described = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    keys = {key for section in (SINGLE | NAMED).values() for key in section.model_fields}
    assert sorted(key for key in keys if f"`{key}`" not in described) == []
