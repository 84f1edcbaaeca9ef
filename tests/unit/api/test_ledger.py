"""What callers spend is written in batches, and nothing of it is lost while the store cannot write."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from yaoki.api.v1.ledger import BATCH, Ledger
from yaoki.store.contract import Spending
from yaoki.store.store import Store, open_store

TODAY = date(2026, 11, 24)
ONE = Spending(requests=1, input_tokens=2, output_tokens=3, cost_usd=0.5)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await open_store(tmp_path / "yaoki.db")
    await store.api_keys.create("ann", "ann")
    yield store
    await store.aclose()


async def requests(store: Store) -> int:
    return (await store.api_keys.spent()).get("ann", Spending()).requests


async def test_what_was_added_is_written_once(store: Store) -> None:
    ledger = Ledger(store.api_keys)
    for _ in range(3):
        ledger.add("ann", TODAY, ONE)
    assert await requests(store) == 0, "adding waits for nothing"
    await ledger.write()
    await ledger.write()
    assert (await store.api_keys.spent())["ann"] == Spending(requests=3, input_tokens=6, output_tokens=9, cost_usd=1.5)


async def test_a_full_batch_wants_to_be_written(store: Store) -> None:
    ledger = Ledger(store.api_keys)
    for _ in range(BATCH - 1):
        ledger.add("ann", TODAY, ONE)
    assert not ledger.full.is_set()
    ledger.add("ann", TODAY, ONE)
    assert ledger.full.is_set()
    await ledger.write()
    assert (ledger.full.is_set(), await requests(store)) == (False, BATCH)


async def test_what_the_store_cannot_take_is_kept_and_said_once(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(store.api_keys)
    ledger.add("ann", TODAY, ONE)
    elsewhere = (tmp_path / "yaoki.db").rename(tmp_path / "moved.db")
    for _ in range(2):
        await ledger.write()
    elsewhere.rename(tmp_path / "yaoki.db")
    ledger.add("ann", TODAY, ONE)
    assert caplog.text.count("kept in memory") == 1
    await ledger.write()
    assert await requests(store) == 2


async def test_figures_are_there_at_once_and_by_name(store: Store) -> None:
    ledger = Ledger(store.api_keys)
    ledger.note("ann", ONE)
    ledger.note("local", ONE)
    ledger.note("ann", ONE)
    assert (ledger.requests, ledger.tokens) == ({"ann": 2, "local": 1}, {"ann": 10, "local": 5})
    assert ledger.usd == {"ann": 1.0, "local": 0.5}
