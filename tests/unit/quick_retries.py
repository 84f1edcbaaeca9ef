"""Retries without a person's pace, for tests that look at what comes of them and not at when."""

import pytest

from yaoki.llm.chain import selection

BACKOFF_S = 0.01


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain's pauses before it asks the same model again are a twenty-fifth of what they are."""
    monkeypatch.setattr(selection, "BACKOFF_S", BACKOFF_S)
