"""Opening a database file: whose it is, which version it has, and whether its log is still the one clients know."""

import asyncio
import logging
import secrets
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from yaoki.errors import ConfigurationSettingError, SessionStoreUnavailableError
from yaoki.store.lock import RunnerLock
from yaoki.store.schema import HEAD, create, meta, put_meta
from yaoki.store.trouble import reason_of, store_error
from yaoki.store.writer import Writer

T = TypeVar("T")
Role = Literal["runner", "guest", "reader"]
"""A runner creates, migrates and writes, and is alone; a guest writes a little beside it; readers look on."""

_APPLICATION_ID = 0x59414F4B  # "YAOK"
_BUSY_TIMEOUT_S = 2.0
_READERS = 4
_MODES: dict[Role, str] = {"runner": "rwc", "guest": "rw", "reader": "ro"}
_REMEDY = "Mend that, or name another place in store.url (YAOKI_STORE__URL)"
_log = logging.getLogger(__name__)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Database:
    """One SQLite file: a writer, and readers that never wait for it.

    Attributes:
        log_id: Changes when clients can no longer trust what they saw of the log.
        lock: Held by a runner, None for anybody else.
    """

    def __init__(self, path: Path, engine: Engine, lock: RunnerLock | None, log_id: str, *, role: Role) -> None:
        self.path = path
        self.log_id = log_id
        self.lock = lock
        self._engine = engine
        self._readers = _engine(path, "reader", pool_size=_READERS)
        self._closed = False
        self._reading = ThreadPoolExecutor(_READERS, thread_name_prefix="yaoki-reader")
        self._writer = None if role == "reader" else Writer(engine, path)

    @property
    def trouble(self) -> SessionStoreUnavailableError | None:
        """Why nothing could be written when it was last tried, or None."""
        return self._writer.trouble if self._writer else None

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a reader's connection, in a thread of the store's own.

        The event loop's threads also look names up: with a slow DNS they would all be taken, and nothing could be read.

        Raises:
            SessionStoreUnavailableError: The store cannot read.
        """

        def transact() -> T:
            with self._readers.connect() as connection:
                return work(connection)

        if self._closed:
            raise SessionStoreUnavailableError("The database is closed.")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reading, transact)
        except DBAPIError as error:
            raise store_error(error, self.path) from error

    async def write(
        self,
        work: Callable[[Connection], T],
        *,
        durable: bool = False,
        committed: Callable[[T], None] | None = None,
    ) -> T:
        """Commit `work`; see `Writer.run`."""
        if self._writer is None:
            raise SessionStoreUnavailableError("The database is closed, or was opened for reading only.")
        return await self._writer.run(work, durable=durable, committed=committed)

    async def aclose(self) -> None:
        """Commit what waits, note the clean end, and let the file go. More than once does no harm."""
        writer, self._writer = self._writer, None
        if writer is not None:
            if self.lock is not None:
                await _note_clean_end(writer)
            await writer.aclose()
        self._closed = True
        self._reading.shutdown(wait=False)
        self._readers.dispose()
        self._engine.dispose()  # last, since only a writer can put the write-ahead log into the database as it leaves
        if self.lock is not None:
            self.lock.release()


async def _note_clean_end(writer: Writer) -> None:
    try:
        await writer.run(lambda connection: put_meta(connection, "clean", "1"), durable=True)
    except SessionStoreUnavailableError as error:
        _log.warning("The end could not be noted as a clean one: %s", error)


async def open_database(path: Path, role: Role = "runner") -> Database:
    """Open, and for a runner create or migrate, a database file.

    Raises:
        ConfigurationSettingError: The file is another program's, damaged, of a newer version, in use by another
            runner, or cannot be read or written. The file is left as it was.
    """
    with ExitStack() as undo:
        try:
            lock = None
            if role == "runner":
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                lock = RunnerLock(path)
                lock.acquire()
                undo.callback(lock.release)
            engine = _engine(path, role, pool_size=1)
            undo.callback(engine.dispose)
            log_id = await asyncio.to_thread(_prepare, engine, path, role)
        except (OSError, DBAPIError, sqlite3.Error) as error:
            reason = reason_of(getattr(error, "orig", error), path)
            raise _refused(path, f"cannot be opened: {reason}. {_REMEDY}") from error
        undo.pop_all()
    return Database(path, engine, lock, log_id, role=role)


def _engine(path: Path, role: Role, *, pool_size: int) -> Engine:
    uri = f"file:{quote(str(path))}?mode={_MODES[role]}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)

    engine = create_engine(
        "sqlite+pysqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=8,
        hide_parameters=True,  # what people wrote has no place in an error
    )
    begin = "BEGIN" if role == "reader" else "BEGIN IMMEDIATE"

    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.text_factory = _text

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", start)
    return engine


def _text(raw: bytes) -> str:
    """What stands in a column. Damaged text is for the record's checksum to find, and no failure of the store."""
    return raw.decode(errors="replace")


def _prepare(engine: Engine, path: Path, role: Role) -> str:
    """Check the file and bring it to this version; returns its log id."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        application_id = driver.execute("PRAGMA application_id").fetchone()[0]
        empty = driver.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if application_id != _APPLICATION_ID and not empty:
            raise _refused(path, "is not a Yaoki database")
        if role != "runner":
            return _known_log_id(connection, path)
        driver.execute("PRAGMA journal_mode = WAL")
        driver.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        with connection.begin():
            _migrate(connection, path)
            return _claim_log(connection)


def _version(connection: Connection) -> str | None:
    known = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").first()
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first() if known else None
    return row[0] if row else None


def _known_log_id(connection: Connection, path: Path) -> str:
    version = _version(connection)
    if version != HEAD:
        raise _refused(path, f"has schema {version or 'none'}, not {HEAD}: start the server once to migrate it")
    return connection.execute(select(meta.c.value).where(meta.c.key == "log_id")).scalar_one()


def _migrate(connection: Connection, path: Path) -> None:
    """Bring the schema to `HEAD`. Alembic is imported only if there is an older one: it takes 10 MB."""
    version = _version(connection)
    if version == HEAD:
        return
    if version is None:
        create(connection)
        return
    from yaoki.store.migrations import known_versions, upgrade  # noqa: PLC0415 - a quarter of a second, seldom needed

    if version not in known_versions():
        raise _refused(path, f"was written by a newer version of Yaoki (schema {version}, this one knows {HEAD})")
    upgrade(connection)
    _log.info("The database %s has schema %s now (it had %s).", path, HEAD, version)


def _claim_log(connection: Connection) -> str:
    """The log's id: kept, unless events that clients saw may be gone.

    Batches of text are not synced one by one. They survive the death of the process, but not of the machine: after an
    unclean end under another boot the log may be shorter than what was shown, so it gets a new id.
    """
    boot = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else "unknown"
    rows = {row.key: row.value for row in connection.execute(select(meta.c.key, meta.c.value))}
    lost = rows.get("clean") != "1" and rows.get("boot") != boot
    log_id = secrets.token_hex(4) if lost or "log_id" not in rows else rows["log_id"]
    for key, value in (("log_id", log_id), ("boot", boot), ("clean", "0")):
        put_meta(connection, key, value)
    return log_id


def _refused(path: Path, why: str) -> ConfigurationSettingError:
    return ConfigurationSettingError(f"The database {path} {why}.", key="store.url", path=str(path))
