"""The documents: what they point at is there."""

import re

from tests.architecture.sources import ROOT, tracked
from yaoki.settings.sections import NAMED, SINGLE

LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        (str(path.relative_to(ROOT)), target)
        for path in tracked()
        if path.suffix == ".md"
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_decision_is_listed_in_their_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in folder.glob("[0-9]*.md") if f"({path.name})" not in index] == []


def test_every_setting_is_described() -> None:
    described = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    keys = {key for section in (SINGLE | NAMED).values() for key in section.model_fields}
    assert sorted(key for key in keys if f"`{key}`" not in described) == []
