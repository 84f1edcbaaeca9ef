"""Rows of sessions. Every query names the owner: somebody else's session is one that does not exist."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from yaoki.errors import SessionNotFoundError
from yaoki.store.contract import Session
from yaoki.store.database import Database
from yaoki.store.schema import sessions, turns

MAX_TITLE_CHARS = 80


class SessionTable:
    """Creates, finds, changes and erases sessions."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    async def create(
        self, owner: str, session_type: str, agent: str, metadata: dict[str, Any], *, session_id: str | None = None
    ) -> Session:
        """A new, open session; durable when this returns.

        Args:
            session_id: The id to give it; if the owner has a session of that id, that one is returned as it is.
        """
        now = self._now()
        row = {
            "id": session_id or f"s_{secrets.token_hex(10)}",
            "owner": owner,
            "session_type": session_type,
            "agent": agent,
            "title": "",
            "status": "open",
            "created_at": now,
            "updated_at": now,
            "last_seq": 0,
            "metadata": metadata,
        }

        def work(connection: Connection) -> Session:
            if session_id is not None:
                with suppress(SessionNotFoundError):
                    return find(connection, owner, session_id)
            connection.execute(insert(sessions).values(row))
            return find(connection, owner, str(row["id"]))

        return await self._database.write(work, durable=True)

    async def get(self, owner: str, session_id: str) -> Session:
        """One session.

        Raises:
            SessionNotFoundError: There is none of that id for this owner.
        """
        return await self._database.read(lambda connection: find(connection, owner, session_id))

    async def newest(self, owner: str, limit: int, before: str | None = None) -> list[Session]:
        """Sessions of an owner, those with the newest activity first.

        Args:
            before: A session's id; only sessions after it in that order are given.
        """

        def work(connection: Connection) -> list[Session]:
            query = select(sessions).where(sessions.c.owner == owner)
            if before is not None:
                last = find(connection, owner, before)
                query = query.where(
                    (sessions.c.updated_at < last.updated_at.timestamp())
                    | ((sessions.c.updated_at == last.updated_at.timestamp()) & (sessions.c.id < before))
                )
            query = query.order_by(sessions.c.updated_at.desc(), sessions.c.id.desc()).limit(limit)
            return [_session(row) for row in connection.execute(query)]

        return await self._database.read(work)

    async def change(self, owner: str, session_id: str, **values: str) -> Session:
        """Set columns of a session and return it.

        Raises:
            SessionNotFoundError: There is none of that id for this owner.
        """

        def work(connection: Connection) -> Session:
            find(connection, owner, session_id)
            connection.execute(update(sessions).where(sessions.c.id == session_id).values(**values))
            return find(connection, owner, session_id)

        return await self._database.write(work, durable=True)

    async def erase(self, owner: str, session_id: str) -> None:
        """Delete a session with its turns and its log, for good.

        Raises:
            SessionNotFoundError: There is none of that id for this owner.
        """

        def work(connection: Connection) -> None:
            find(connection, owner, session_id)
            connection.execute(delete(sessions).where(sessions.c.id == session_id))

        await self._database.write(work, durable=True)

    async def purge(self, keep_days: float) -> int:
        """Erase sessions without activity for `keep_days` days and without an open turn; returns how many."""
        before = self._now() - keep_days * 86_400
        busy = select(turns.c.session_id).where(turns.c.status != "ended")
        old = delete(sessions).where(sessions.c.updated_at < before, sessions.c.id.not_in(busy))
        return await self._database.write(lambda connection: connection.execute(old).rowcount)


def find(connection: Connection, owner: str, session_id: str) -> Session:
    """One session inside a transaction; see `SessionTable.get`."""
    query = select(sessions).where(sessions.c.id == session_id, sessions.c.owner == owner)
    row = connection.execute(query).first()
    if row is None:
        raise SessionNotFoundError(f"There is no session {session_id!r}.", session_id=session_id)
    return _session(row)


def title_of(content: str) -> str:
    """A title from the first words of the first message."""
    line = " ".join(content.split())
    if len(line) <= MAX_TITLE_CHARS:
        return line
    return line[:MAX_TITLE_CHARS].rsplit(" ", 1)[0] + "…"


def _session(row: Row[Any]) -> Session:
    values = dict(zip(sessions.columns.keys(), row, strict=True))
    for name in ("created_at", "updated_at"):
        values[name] = datetime.fromtimestamp(values[name], UTC)
    return Session(**values)
