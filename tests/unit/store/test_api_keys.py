"""Generated keys in the database: what is kept, what is found, and what is never."""

import sqlite3
from datetime import date
from pathlib import Path

import pytest

from yaoki.errors import ConfigurationSettingError, SessionConflictError, SessionNotFoundError
from yaoki.store.api_key_table import digest_of
from yaoki.store.contract import Spending
from yaoki.store.store import Store, open_store

TODAY, YESTERDAY = date(2026, 11, 24), date(2026, 11, 23)


async def test_only_the_digest_of_a_key_is_kept(store: Store, tmp_path: Path) -> None:
    secret = await store.api_keys.create("ann", "ann", models=("gpt",), requests_per_minute=5, usd_per_day=0.5)
    [key] = await store.api_keys.all()
    assert (key.name, key.owner, key.models, key.requests_per_minute) == ("ann", "ann", ("gpt",), 5)
    assert (key.tokens_per_day, key.usd_per_day, key.revoked_at, key.last_used_at) == (None, 0.5, None, None)
    assert key.digest == digest_of(secret)
    assert secret.startswith("yk_")
    assert len(secret) == len("yk_") + 43, "256 bits in base 64"
    assert key.hint == f"{secret[:7]}…{secret[-4:]}"
    await store.aclose()
    assert secret.encode() not in (tmp_path / "yaoki.db").read_bytes()


async def test_no_two_keys_are_alike(store: Store) -> None:
    secrets = {await store.api_keys.create(f"k{number}", "ann") for number in range(20)}
    assert len(secrets) == 20


async def test_a_revoked_key_stays_and_its_name_is_never_given_again(store: Store) -> None:
    await store.api_keys.create("ann", "ann")
    await store.api_keys.add({("ann", TODAY): Spending(requests=1, input_tokens=3)})
    await store.api_keys.revoke("ann")
    [key] = await store.api_keys.all()
    await store.api_keys.revoke("ann")
    assert key.revoked_at is not None
    assert await store.api_keys.all() == [key], "a second time changes nothing"
    assert (await store.api_keys.spent())["ann"].tokens == 3
    with pytest.raises(SessionConflictError, match="another name"):
        await store.api_keys.create("ann", "ann")


async def test_a_key_that_is_not_there_cannot_be_revoked(store: Store) -> None:
    with pytest.raises(SessionNotFoundError, match="yaoki keys list"):
        await store.api_keys.revoke("ann")


async def test_spending_adds_up_by_key_and_day(store: Store) -> None:
    for name in ("ann", "bob"):
        await store.api_keys.create(name, name)
    once = Spending(requests=1, input_tokens=2, output_tokens=3, estimated_tokens=1, cost_usd=0.25, unpriced=1)
    await store.api_keys.add({("ann", YESTERDAY): once, ("bob", TODAY): Spending(requests=7)})
    await store.api_keys.add({("ann", TODAY): once})
    await store.api_keys.add({("ann", TODAY): once})
    twice = Spending(requests=2, input_tokens=4, output_tokens=6, estimated_tokens=2, cost_usd=0.5, unpriced=2)
    assert await store.api_keys.spent(TODAY) == {"ann": twice, "bob": Spending(requests=7)}
    assert (await store.api_keys.spent())["ann"].requests == 3
    assert all(key.last_used_at is not None for key in await store.api_keys.all())


async def test_a_guest_changes_keys_beside_a_runner_which_sees_that(store: Store, tmp_path: Path) -> None:
    before = await store.api_keys.version()
    guest = await open_store(tmp_path / "yaoki.db", "guest")
    await guest.api_keys.create("ann", "ann")
    created = await store.api_keys.version()
    await store.sessions.create("local", "chat", "default", {})
    await store.api_keys.add({("ann", TODAY): Spending(requests=1)})
    assert await store.api_keys.version() == created, "spending is no change of a key"
    await guest.api_keys.revoke("ann")
    await guest.aclose()
    assert len({before, created, await store.api_keys.version()}) == 3
    [key] = await store.api_keys.all()
    assert key.revoked_at is not None


async def test_a_guest_creates_no_database(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationSettingError, match="cannot be opened"):
        await open_store(tmp_path / "none.db", "guest")
    assert not (tmp_path / "none.db").exists()


async def test_a_damaged_key_is_left_out_and_hides_no_other(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("ann", "bob"):
        await store.api_keys.create(name, name)
    with sqlite3.connect(tmp_path / "yaoki.db") as connection:
        connection.execute("UPDATE api_keys SET models = '[' WHERE name = 'ann'")
    connection.close()
    assert [key.name for key in await store.api_keys.all()] == ["bob"]
    assert "ann cannot be read" in caplog.text
