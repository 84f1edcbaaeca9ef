"""Opening a database: created, migrated, refused, or known again."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine

from yaoki.errors import ConfigurationSettingError, SessionStoreUnavailableError
from yaoki.store.lock import RunnerLock, holder_of
from yaoki.store.migrations import upgrade
from yaoki.store.schema import HEAD, metadata
from yaoki.store.store import open_store


async def test_a_new_database_is_created_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "yaoki.db"
    store = await open_store(path)
    await store.aclose()
    assert path.exists()
    assert path.parent.stat().st_mode & 0o077 == 0


async def test_a_new_database_and_a_migrated_one_have_just_the_tables_of_the_schema(tmp_path: Path) -> None:
    await (await open_store(tmp_path / "y.db")).aclose()
    new, migrated = (create_engine(f"sqlite:///{tmp_path / name}") for name in ("y.db", "migrated.db"))
    with migrated.begin() as connection:
        upgrade(connection)
    for engine in (new, migrated):
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == HEAD
    assert _statements(new) == _statements(migrated)


def _statements(engine: Engine) -> set[str]:
    """What a database was made with, but for white space; lets its file go."""
    with engine.connect() as connection:
        made = connection.exec_driver_sql("SELECT coalesce(sql, name) FROM sqlite_master").scalars().all()
    engine.dispose()
    return {"".join(one.split()) for one in made}


async def test_a_clean_end_leaves_everything_in_the_one_file(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "y.db")
    session = await store.sessions.create("local", "chat", "default", {})
    assert await store.sessions.get("local", session.id) == session
    await store.aclose()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["y.db", "y.db.lock"]


async def test_the_log_keeps_its_id_over_a_clean_restart(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "y.db")
    log_id = store.log_id
    await store.aclose()
    again = await open_store(tmp_path / "y.db")
    assert again.log_id == log_id
    await again.aclose()


@pytest.mark.parametrize("clean, boot, kept", [("0", None, True), ("1", "another", True), ("0", "another", False)])
async def test_the_log_gets_a_new_id_only_after_an_unclean_end_under_another_boot(
    tmp_path: Path, clean: str, boot: str | None, kept: bool
) -> None:
    store = await open_store(tmp_path / "y.db")
    log_id = store.log_id
    await store.aclose()
    with sqlite3.connect(tmp_path / "y.db") as connection:
        connection.execute("UPDATE yaoki_meta SET value = ? WHERE key = 'clean'", (clean,))
        if boot:
            connection.execute("UPDATE yaoki_meta SET value = ? WHERE key = 'boot'", (boot,))
    connection.close()
    again = await open_store(tmp_path / "y.db")
    assert (again.log_id == log_id) is kept
    await again.aclose()


@pytest.mark.requirement("S15")
async def test_a_lost_database_means_another_log(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "y.db")
    log_id = store.log_id
    await store.aclose()
    (tmp_path / "y.db").unlink()
    again = await open_store(tmp_path / "y.db")
    assert again.log_id != log_id
    await again.aclose()


async def test_a_second_runner_is_refused_and_told_who_holds_the_file(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "y.db")
    with pytest.raises(ConfigurationSettingError, match=f"in use by another yaoki \\(pid {os.getpid()}\\)"):
        await open_store(tmp_path / "y.db")
    await store.aclose()
    await (await open_store(tmp_path / "y.db")).aclose()


async def test_readers_look_on_beside_a_runner(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "y.db")
    session = await store.sessions.create("local", "chat", "default", {})
    reader = await open_store(tmp_path / "y.db", "reader")
    assert [found.id for found in await reader.sessions.newest("local", 10)] == [session.id]
    with pytest.raises(SessionStoreUnavailableError, match="for reading only"):
        await reader.sessions.create("local", "chat", "default", {})
    await reader.aclose()
    await store.aclose()


def test_the_lock_is_free_as_soon_as_its_process_is_dead(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom yaoki.store.lock import RunnerLock\n"
        "lock = RunnerLock(Path(sys.argv[1])); lock.acquire(); lock.note('http://127.0.0.1:1')\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    database = tmp_path / "y.db"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert holder_of(database) == (holder.pid, "http://127.0.0.1:1")
        holder.send_signal(signal.SIGKILL)
    assert holder_of(database) is None
    lock = RunnerLock(database)
    lock.acquire()
    lock.release()


@pytest.mark.parametrize(
    "content, reason", [(b"nonsense " * 600, "file is not a database"), (None, "is not a Yaoki database")]
)
async def test_a_foreign_file_is_refused_and_left_as_it_was(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "f.db"
    if content is not None:
        path.write_bytes(content)
    else:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE mine (a)")
        connection.commit()
        connection.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationSettingError, match=reason):
        await open_store(path)
    assert path.read_bytes() == before


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    await (await open_store(tmp_path / "y.db")).aclose()
    with sqlite3.connect(tmp_path / "y.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(ConfigurationSettingError, match="newer version of Yaoki"):
        await open_store(tmp_path / "y.db")


@pytest.mark.requirement("S15", "P-1")
async def test_a_database_that_is_moved_or_replaced_takes_nothing_until_it_is_back(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "y.db", tmp_path / "elsewhere.db"
    store = await open_store(path)
    session = await store.sessions.create("local", "chat", "default", {})
    path.rename(elsewhere)
    for replace in (False, True):
        if replace:
            path.write_bytes(elsewhere.read_bytes())
        with pytest.raises(SessionStoreUnavailableError, match="moved, replaced or deleted"):
            await store.turns.accept("local", session.id, "m", "hello")
        with pytest.raises(SessionStoreUnavailableError):
            await store.check()
    elsewhere.rename(path)
    await store.turns.accept("local", session.id, "m", "hello")
    await store.check()
    await store.aclose()


async def test_a_link_to_a_database_in_use_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "y.db")
    store = await open_store(tmp_path / "y.db")
    with pytest.raises(ConfigurationSettingError, match="in use by another yaoki"):
        await open_store(tmp_path / "link.db")
    assert holder_of(tmp_path / "link.db") == (os.getpid(), "")
    await store.aclose()


@pytest.mark.requirement("S9")
async def test_a_held_database_refuses_all_that_wait_at_once(tmp_path: Path) -> None:
    path = tmp_path / "y.db"
    store = await open_store(path)
    session = await store.sessions.create("local", "chat", "default", {})
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    sending = [store.turns.accept("local", session.id, f"m{n}", "hello") for n in range(10)]
    async with asyncio.timeout(15):  # two waits of the driver: for the first, and for all that came meanwhile
        refusals = await asyncio.gather(*sending, return_exceptions=True)
    assert all(isinstance(refusal, SessionStoreUnavailableError) for refusal in refusals)
    holder.close()
    await store.aclose()


@pytest.mark.requirement("M7")
async def test_what_holds_the_event_loops_threads_holds_no_reader_up(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "y.db")
    released = threading.Event()
    lookups = [asyncio.create_task(asyncio.to_thread(released.wait)) for _ in range(100)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert await store.sessions.newest("local", 10) == []
    released.set()
    await asyncio.gather(*lookups)
    await store.aclose()
    with pytest.raises(SessionStoreUnavailableError, match="closed"):
        await store.sessions.newest("local", 10)
