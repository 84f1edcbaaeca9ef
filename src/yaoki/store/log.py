"""The log: a session's events, numbered without gaps, checked when read, delivered only after their commit."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Self

from sqlalchemy import Connection, insert, select, update

from yaoki.errors import SessionCorruptedError, SessionNotFoundError
from yaoki.store.database import Database
from yaoki.store.events import DomainEvent, Stored, decode, encode
from yaoki.store.schema import checksum, events, sessions

_PAGE = 500
_PAGE_CHARS = 65_536
_RECENT = 256


def append_events(
    connection: Connection, session_id: str, turn_id: str, new: Sequence[DomainEvent], now: float
) -> list[Stored]:
    """Write events at the end of a session's log, inside the caller's transaction.

    The numbers come from the session's row, so that writers of any process never leave a gap or a double.

    Raises:
        SessionNotFoundError: The session is gone.
    """
    changes = {"last_seq": sessions.c.last_seq + len(new), "updated_at": now}
    grow = update(sessions).where(sessions.c.id == session_id).values(changes).returning(sessions.c.last_seq)
    last = connection.execute(grow).scalar_one_or_none()
    if last is None:
        raise SessionNotFoundError(f"There is no session {session_id!r}.", session_id=session_id)
    rows: list[dict[str, object]] = []
    stored: list[Stored] = []
    for seq, event in enumerate(new, last - len(new) + 1):
        name, fields = encode(event)
        payload = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        rows.append(
            {
                "session_id": session_id,
                "seq": seq,
                "turn_id": turn_id,
                "at": now,
                "type": name,
                "payload": payload,
                "checksum": checksum(session_id, seq, turn_id, name, payload),
            }
        )
        stored.append(Stored(seq=seq, at=datetime.fromtimestamp(now, UTC), event=event))
    if rows:
        connection.execute(insert(events), rows)
    return stored


def read_events(
    connection: Connection, session_id: str, after: int, *, limit: int | None = None, turn_id: str | None = None
) -> list[Stored]:
    """Events with a seq greater than `after`, in order; with `turn_id`, those of one turn.

    Args:
        limit: Read so many at most, and fewer if they are long: each reader holds a page in memory.

    Raises:
        SessionCorruptedError: A record does not match its checksum, or cannot be read.
    """
    query = select(events).where(events.c.session_id == session_id, events.c.seq > after).order_by(events.c.seq)
    if turn_id is not None:
        query = query.where(events.c.turn_id == turn_id)
    if limit is not None:
        query = query.limit(limit)
    read: list[Stored] = []
    chars = 0
    for row in connection.execute(query):
        if row.checksum != checksum(session_id, row.seq, row.turn_id, row.type, row.payload):
            raise _corrupted(session_id, row.seq, "does not match its checksum")
        try:
            event = decode(row.type, json.loads(row.payload))
        except (ValueError, KeyError, TypeError) as error:
            raise _corrupted(session_id, row.seq, f"cannot be read ({type(error).__name__})") from error
        read.append(Stored(seq=row.seq, at=datetime.fromtimestamp(row.at, UTC), event=event))
        chars += len(row.payload)
        if limit is not None and chars >= _PAGE_CHARS:
            break
    return read


def _corrupted(session_id: str, seq: int, what: str) -> SessionCorruptedError:
    return SessionCorruptedError(f"Record {seq} of session {session_id} {what}.", session_id=session_id, seq=seq)


class Channel:
    """The newest events of one session in memory, for those who follow it now."""

    def __init__(self) -> None:
        self.recent: deque[Stored] = deque(maxlen=_RECENT)
        self.followers: set[asyncio.Event] = set()
        self.erased = False

    def wake(self) -> None:
        """Tell every follower to look."""
        for follower in self.followers:
            follower.set()

    def since(self, after: int) -> list[Stored] | None:
        """The events after `after`, or None if they are not all in memory."""
        if not self.recent or self.recent[0].seq > after + 1:
            return None
        return [stored for stored in self.recent if stored.seq > after]


class Log:
    """Reads logs and lets any number of readers follow them.

    A follower keeps only its place. What it has not read stays in the database, so a slow reader costs no memory.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._channels: dict[str, Channel] = {}

    def deliver(self, session_id: str, stored: Sequence[Stored]) -> None:
        """Give committed events to those who follow; the writer calls this in the order of commits."""
        channel = self._channels.get(session_id)
        if channel is not None and stored:
            if channel.recent and channel.recent[-1].seq + 1 != stored[0].seq:
                channel.recent.clear()  # some were never delivered: they are read from the database
            channel.recent.extend(stored)
            channel.wake()

    def erase(self, session_id: str) -> None:
        """Tell followers that the session is gone."""
        channel = self._channels.get(session_id)
        if channel is not None:
            channel.erased = True
            channel.wake()

    async def read(self, session_id: str, after: int = 0, *, limit: int | None = None) -> list[Stored]:
        """Events with a seq greater than `after`; see `read_events`."""
        return await self._database.read(lambda connection: read_events(connection, session_id, after, limit=limit))

    def follow(self, session_id: str, after: int) -> "Tail":
        """Follow a session's log from the event after `after`."""
        channel = self._channels.setdefault(session_id, Channel())
        return Tail(self, session_id, after, channel, lambda: self._forget(session_id, channel))

    def _forget(self, session_id: str, channel: Channel) -> None:
        if not channel.followers and self._channels.get(session_id) is channel:
            del self._channels[session_id]


class Tail:
    """One reader's place in a log. Use as a context manager, or call `close`."""

    def __init__(self, log: Log, session_id: str, after: int, channel: Channel, forget: Callable[[], None]) -> None:
        self.after = after
        self._log = log
        self._session_id = session_id
        self._channel = channel
        self._forget = forget
        self._news = asyncio.Event()
        self._has_all = False  # the database has been asked, and nobody has written since
        channel.followers.add(self._news)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop following; more than once does no harm."""
        self._channel.followers.discard(self._news)
        self._forget()

    async def read(self, timeout_s: float) -> list[Stored]:
        """The next events, at least one; an empty list if none came within `timeout_s` seconds.

        Cancelling it loses nothing: the same events come with the next call.

        Raises:
            SessionNotFoundError: The session was erased.
            SessionStoreUnavailableError: The store cannot read; try again.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self._has_all = self._has_all and not self._news.is_set()
                    self._news.clear()
                    if self._channel.erased:
                        raise SessionNotFoundError("The session was deleted.", session_id=self._session_id)
                    found = [] if self._has_all else await self._look()
                    if found:
                        self.after = found[-1].seq
                        return found
                    self._has_all = True
                    await self._news.wait()
        except TimeoutError:
            return []

    async def _look(self) -> list[Stored]:
        """What is there now: from memory if it holds all of it, else from the database."""
        found = self._channel.since(self.after)
        return await self._log.read(self._session_id, self.after, limit=_PAGE) if found is None else found
