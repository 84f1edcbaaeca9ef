"""The database is of another release: an older one is migrated or left as it was, a newer one is refused."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.harness import Stage
from tests.faults.injectors.releases import LATER, later_release
from tests.faults.injectors.servers import PlacedServer, PlacedStage
from tests.faults.page import Page
from yaoki.faults import ANSWER, Script

pytestmark = pytest.mark.slow

SLOW_TOKEN_S = 0.02
FOR_EVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@contextlib.asynccontextmanager
async def killed_mid_stream(folder: Path) -> AsyncIterator[tuple[Stage, PlacedServer, Page]]:
    """This release's server, killed over an answer."""
    async with PlacedStage(folder, Script(token_s=SLOW_TOKEN_S)) as stage:
        page = await stage.ask()
        await page.until_text(60)
        await stage.server.kill()
        assert isinstance(stage.server, PlacedServer)
        yield stage, stage.server, page


async def assert_goes_on(server: PlacedServer, page: Page) -> None:
    """The server starts, and finishes the answer for a page that had lost it."""
    await server.start()
    await page.connect()
    await page.until_ended()
    page.assert_whole(ANSWER)
    assert page.marks("reset") == []


def version(database: Path) -> tuple[str, bool]:
    """The schema, and whether the later release's column is there."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        [name] = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        columns = [column[1] for column in connection.execute("PRAGMA table_info(sessions)")]
    return name, "pinned" in columns


@pytest.mark.requirement("S14", "P-1", "P-3")
async def test_a_later_release_takes_everything_over_and_the_older_one_leaves_it_alone(tmp_path: Path) -> None:
    async with killed_mid_stream(tmp_path) as (_, server, page):
        server.environment = later_release(tmp_path / "later")
        await assert_goes_on(server, page)
        assert version(server.database) == (LATER, True)
        await server.kill()
        server.environment = {}
        said = len(server.log)
        await server.spawn()
        assert await server.ended() == 2
        [line] = server.log[said:].splitlines()
        assert str(server.database) in line
        assert "newer version of Yaoki" in line
        assert version(server.database) == (LATER, True)


@pytest.mark.requirement("S14", "P-1", "P-3")
async def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    async with killed_mid_stream(tmp_path) as (_, server, page):
        before = version(server.database)
        server.environment = later_release(tmp_path / "later", "UPDATE nowhere SET pinned = 1")
        said = len(server.log)
        await server.spawn()
        assert await server.ended() == 2
        [line] = server.log[said:].splitlines()
        assert str(server.database) in line
        assert "no such table: nowhere" in line
        assert version(server.database) == before
        server.environment = {}
        await assert_goes_on(server, page)


@pytest.mark.requirement("S14", "P-1", "P-3", "P-6")
async def test_a_migration_that_is_killed_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    async with killed_mid_stream(tmp_path) as (stage, server, page):
        before = version(server.database)
        server.environment = later_release(tmp_path / "later", FOR_EVER)
        await server.spawn()
        async with stage.settling():
            while not is_held(server.database):
                await stage.tick()
        await server.kill()
        assert version(server.database) == before
        server.environment = {}
        await assert_goes_on(server, page)


def is_held(database: Path) -> bool:
    """Whether somebody is writing for so long that another cannot."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=1.0)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False
