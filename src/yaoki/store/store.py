"""The store: sessions, turns, API keys and the log of one database."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from yaoki.resilience.clock import SYSTEM_CLOCK, Clock
from yaoki.store.api_key_table import ApiKeyTable
from yaoki.store.database import Database, Role, open_database
from yaoki.store.log import Log
from yaoki.store.retention import Retention
from yaoki.store.schema import meta, put_meta
from yaoki.store.session_table import SessionTable
from yaoki.store.turn_table import TurnTable


@dataclass(frozen=True, slots=True)
class Store:
    """Durable state, one part for each thing it knows."""

    database: Database
    sessions: SessionTable
    turns: TurnTable
    log: Log
    retention: Retention
    api_keys: ApiKeyTable

    @property
    def log_id(self) -> str:
        """Changes when clients can no longer trust what they saw of the log."""
        return self.database.log_id

    async def check(self) -> None:
        """Write a little and read a little, to see whether both work.

        Raises:
            SessionStoreUnavailableError: One of them does not; the message says why.
        """

        def work(connection: Connection) -> None:
            # Always another value: SQLite recognises one that is there already, and then writes nothing.
            put_meta(connection, "checked", secrets.token_hex(8))

        await self.database.write(work)
        await self.database.read(lambda connection: connection.execute(select(meta)).all())

    async def aclose(self) -> None:
        """Commit what waits and let the database go."""
        await self.database.aclose()


async def open_store(path: Path, role: Role = "runner", *, clock: Clock = SYSTEM_CLOCK) -> Store:
    """Open a store.

    Args:
        path: The database file; a runner creates it, with its folder, if it is missing.
        role: A runner writes and is alone; guests, who change a row or two, and readers come beside it.

    Raises:
        ConfigurationSettingError: See `open_database`.
    """

    def now() -> float:
        return clock.utcnow().timestamp()

    database = await open_database(path, role)
    log = Log(database)
    return Store(
        database,
        SessionTable(database, now),
        TurnTable(database, log, now),
        log,
        Retention(database, log, now),
        ApiKeyTable(database, now),
    )
