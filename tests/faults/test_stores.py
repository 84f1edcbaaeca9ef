"""The database is locked by somebody else, or its tail is torn: bounded waits, clean starts."""

import asyncio
import contextlib
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.harness import RESUMED_S, Stage
from tests.faults.page import Page
from tests.faults.seeds import seeded
from tests.faults.stages import shared_stage, stage
from yaoki.faults import ANSWER, Script
from yaoki.resilience.clock import SYSTEM_CLOCK

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SLOW_TOKEN_S = 0.02
BOUNDED_S = 10.0
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
"""


@contextlib.asynccontextmanager
async def locked(database: Path) -> AsyncIterator[None]:
    """Another process holds the database's write lock."""
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLD, database, stdin=pipe, stdout=pipe)
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"locked\n"
    try:
        yield
    finally:
        holder.stdin.close()
        await holder.wait()


@pytest.mark.requirement("S9", "P-1", "P-3")
async def test_a_turn_waits_for_a_locked_database_and_loses_nothing(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    await page.until_text(60)
    async with locked(stage.server.database):
        await stage.first.until(lambda it: it.asked[0].ended_at is not None)
        assert (await stage.history(page.session))["messages"], "reads go on"
        assert page.terminals == []
    await page.until_ended()
    page.assert_whole(ANSWER)


@pytest.mark.requirement("S9", "P-1", "P-7")
async def test_a_message_to_a_locked_database_is_refused_in_bounded_time_or_kept(stage: Stage) -> None:
    session = await stage.session()
    async with locked(stage.server.database):
        began = SYSTEM_CLOCK.monotonic()
        refused = await stage.send(session, "How many ships?", id="m-1")
        assert SYSTEM_CLOCK.monotonic() - began <= BOUNDED_S
        assert refused.status_code == 503
        assert float(refused.headers["retry-after"]) > 0
        assert (await stage.http.get("/livez")).status_code == 200
    accepted = await stage.send(session, "How many ships?", id="m-1")
    assert accepted.status_code == 202
    page = await stage.page(session)
    await page.until_ended()
    page.assert_whole(ANSWER)


@pytest.mark.requirement("S12", "S15", "P-1", "P-3")
@pytest.mark.parametrize("damage", ["truncated", "garbled", "padded", "zeroed"])
async def test_a_torn_tail_after_a_power_failure_is_a_clean_start(stage: Stage, damage: str) -> None:
    rng = seeded()
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    wal = stage.server.database.with_name("yaoki.db-wal")
    pretend_another_boot(stage.server.database)
    kept = wal.stat().st_size
    await page.until_text(200)
    await stage.server.kill()
    raw = wal.read_bytes()
    at = rng.randrange(kept, len(raw))
    torn = {
        "truncated": raw[:at],
        "garbled": raw[:at] + rng.randbytes(len(raw) - at),
        "padded": raw + rng.randbytes(3000),
        "zeroed": raw[:at] + bytes(len(raw) - at),
    }
    wal.write_bytes(torn[damage])
    wal.with_name("yaoki.db-shm").unlink()
    began = SYSTEM_CLOCK.monotonic()
    await stage.server.start()
    assert SYSTEM_CLOCK.monotonic() - began <= RESUMED_S
    await page.connect()
    await page.until(lambda it: bool(it.marks("reset")))
    await page.until_ended()
    page.assert_ended("completed")
    assert page.text == ANSWER
    await fresh(stage, page)


@pytest.mark.requirement("S12", "P2")
async def test_a_deleted_shared_memory_file_is_a_clean_start(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    await page.until_text(100)
    await stage.server.kill()
    stage.server.database.with_name("yaoki.db-shm").unlink()
    await stage.server.start()
    await page.connect()
    await page.until_ended()
    page.assert_whole(ANSWER)


@pytest.mark.requirement("S9", "P11")
async def test_a_second_server_on_the_same_database_is_refused(stage: Stage) -> None:
    second = stage.sibling()
    await second.spawn()
    assert await second.ended() != 0
    assert "in use by another yaoki" in second.log
    assert (await stage.http.get("/readyz")).status_code == 200


async def fresh(stage: Stage, page: Page) -> None:
    """A page that opens now sees the same as the one that was there."""
    other = await stage.page(page.session)
    other.turn = page.turn
    await other.until_ended()
    assert other.text == page.text == (await stage.history(page.session))["messages"][-1]["content"]


def pretend_another_boot(database: Path) -> None:
    """What runs now will look, after its death, as if it had run before the machine went down."""
    with contextlib.closing(sqlite3.connect(database, timeout=10, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what is damaged is what is written from now on
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE yaoki_meta SET value = 'an earlier boot' WHERE key = 'boot'")
