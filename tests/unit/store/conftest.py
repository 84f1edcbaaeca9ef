from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from yaoki.store.contract import Session
from yaoki.store.store import Store, open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await open_store(tmp_path / "yaoki.db")
    yield store
    await store.aclose()


@pytest.fixture
async def session(store: Store) -> Session:
    return await store.sessions.create("local", "chat", "default", {"a": 1})
