"""Rows of sessions. Every query names the owner: somebody else's session is one that does not exist."""

import json
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Text, delete, insert, select, type_coerce, update

from yaoki.errors import SessionCorruptedError, SessionNotFoundError
from yaoki.store.contract import Session
from yaoki.store.database import Database
from yaoki.store.schema import sessions

MAX_TITLE_CHARS = 80
_UNREADABLE = "(a damaged record)"
_EPOCH = datetime.fromtimestamp(0, UTC)
_COLUMNS = [type_coerce(column, Text) if column is sessions.c.metadata else column for column in sessions.c]
"""Metadata is decoded here, so that a damaged one is the session's error and not the driver's."""

_log = logging.getLogger(__name__)


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

    async def require(self, owner: str, session_id: str) -> None:
        """Make sure that there is such a session, sound or damaged. Raises `SessionNotFoundError`."""
        await self._database.read(lambda connection: _find_row(connection, owner, session_id))

    async def newest(self, owner: str, limit: int, before: str | None = None) -> list[Session]:
        """Sessions of an owner, those with the newest activity first.

        Args:
            before: A session's id; only sessions after it in that order are given.
        """

        def work(connection: Connection) -> list[Session]:
            query = select(*_COLUMNS).where(sessions.c.owner == owner)
            if before is not None:
                last = _find_row(connection, owner, before)
                query = query.where(
                    (sessions.c.updated_at < last.updated_at)
                    | ((sessions.c.updated_at == last.updated_at) & (sessions.c.id < before))
                )
            query = query.order_by(sessions.c.updated_at.desc(), sessions.c.id.desc()).limit(limit)
            return [_listed(row) for row in connection.execute(query)]

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
            _find_row(connection, owner, session_id)
            connection.execute(delete(sessions).where(sessions.c.id == session_id))

        await self._database.write(work, durable=True)


def find(connection: Connection, owner: str, session_id: str) -> Session:
    """One session inside a transaction; see `SessionTable.get`."""
    return _session(_find_row(connection, owner, session_id))


def _find_row(connection: Connection, owner: str, session_id: str) -> Row[Any]:
    query = select(*_COLUMNS).where(sessions.c.id == session_id, sessions.c.owner == owner)
    row = connection.execute(query).first()
    if row is None:
        raise SessionNotFoundError(f"There is no session {session_id!r}.", session_id=session_id)
    return row


def title_of(content: str) -> str:
    """A title from the first words of the first message."""
    line = " ".join("".join(char if char.isprintable() else " " for char in content).split())
    if len(line) <= MAX_TITLE_CHARS:
        return line
    return line[:MAX_TITLE_CHARS].rsplit(" ", 1)[0] + "…"


def _session(row: Row[Any]) -> Session:
    values = _values(row)
    try:
        values["metadata"] = json.loads(values["metadata"])
        for name in ("created_at", "updated_at"):
            values[name] = datetime.fromtimestamp(values[name], UTC)
    except (ValueError, TypeError, OverflowError) as error:
        raise SessionCorruptedError(f"The session {row.id} cannot be read.", session_id=row.id) from error
    return Session(**values)


def _listed(row: Row[Any]) -> Session:
    """A session as one of many: a damaged one is shown as such, and hides no other."""
    try:
        return _session(row)
    except SessionCorruptedError as error:
        _log.error("%s", error)
        known = {"title": _UNREADABLE, "status": "closed", "created_at": _EPOCH, "updated_at": _EPOCH}
        return Session(**dict[str, Any](_values(row), **known, metadata={}))


def _values(row: Row[Any]) -> dict[str, Any]:
    return dict(zip(sessions.columns.keys(), row, strict=True))
