"""Rows of turns: accepted once, claimed under a fence, ended once.

accept:   message + turn + its first event, in one durable transaction       status waiting
claim:    the session's running turn, else its first waiting one; fence + 1  status running
append:   refused unless the fence is the newest one and the turn is running
TurnEnded closes the turn in the transaction that writes it                  status ended
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from yaoki.errors import (
    ResourceOverloadedError,
    SessionClosedError,
    SessionConflictError,
    SessionCorruptedError,
    SessionNotFoundError,
)
from yaoki.store.contract import Accepted, EarlierMessages, Turn
from yaoki.store.database import Database
from yaoki.store.events import DomainEvent, Stored, TextDelta, TurnAccepted, TurnEnded, TurnResumed, TurnStarted
from yaoki.store.log import Log, append_events, read_events
from yaoki.store.schema import checksum, events, model_messages, sessions, turns
from yaoki.store.session_table import find, title_of

MAX_WAITING = 20
"""Messages of one session that may stand in line."""
DAMAGED = "The record of this message is damaged, so it cannot be answered. Please send it again."
_OPEN = ("waiting", "running")

_log = logging.getLogger(__name__)


class FencedError(Exception):
    """Somebody else has claimed the turn, or it has ended: its old runner appends nothing more."""


class TurnTable:
    """Accepts, claims and records turns."""

    def __init__(self, database: Database, log: Log, now: Callable[[], float]) -> None:
        self._database = database
        self._log = log
        self._now = now

    async def accept(
        self, owner: str, session_id: str, message_id: str, content: str, *, turn_id: str | None = None
    ) -> Accepted:
        """Take a message in: its turn is waiting, on disk, when this returns. The same message again changes nothing.

        Args:
            turn_id: The id to give the turn; if this session has a turn of that id, nothing changes either.

        Raises:
            SessionNotFoundError: There is no such session for this owner.
            SessionConflictError: The id was used for another content.
            SessionClosedError: The session takes no more messages.
            ResourceOverloadedError: Too many messages stand in line.
        """
        new_id, now = turn_id or f"t_{secrets.token_hex(10)}", self._now()

        def work(connection: Connection) -> tuple[Accepted, list[Stored]]:
            session = find(connection, owner, session_id)
            this = (turns.c.message_id == message_id) | (turns.c.id == new_id)
            known = connection.execute(select(turns).where(turns.c.session_id == session_id, this)).first()
            if known is not None:
                return _accepted_before(known, known.content if known.id == turn_id else content), []
            if session.status == "closed":
                raise SessionClosedError(f"The session {session_id!r} is closed.", session_id=session_id)
            self._insert(connection, session_id, session.agent, new_id, message_id, content)
            event = TurnAccepted(turn=new_id, message=message_id, content=content)
            stored = append_events(connection, session_id, new_id, [event], now)
            seq = stored[0].seq
            connection.execute(update(turns).where(turns.c.id == new_id).values(accepted_seq=seq))
            if not session.title:
                connection.execute(update(sessions).where(sessions.c.id == session_id).values(title=title_of(content)))
            return Accepted(turn_id=new_id, seq=seq, duplicate=False), stored

        accepted, _ = await self._database.write(
            work, durable=True, committed=lambda result: self._log.deliver(session_id, result[1])
        )
        return accepted

    def _insert(
        self, connection: Connection, session_id: str, agent: str, turn_id: str, message_id: str, content: str
    ) -> None:
        mine = turns.c.session_id == session_id
        waiting = connection.execute(select(func.count()).where(mine, turns.c.status == "waiting")).scalar_one()
        if waiting >= MAX_WAITING:
            raise ResourceOverloadedError(
                f"{waiting} messages of this session stand in line already; wait for an answer.",
                retry_after_s=5.0,
                status=429,
            )
        last = connection.execute(select(func.max(turns.c.position)).where(mine)).scalar_one()
        row = {
            "id": turn_id,
            "position": (last or 0) + 1,
            "session_id": session_id,
            "message_id": message_id,
            "content": content,
            "agent": agent,
            "status": "waiting",
            "fence": 0,
            "cancel_requested": False,
            "accepted_seq": 0,
            "checksum": checksum(turn_id, session_id, message_id, content),
        }
        connection.execute(insert(turns).values(row))

    async def find(self, owner: str, turn_id: str) -> tuple[str, Accepted] | None:
        """The session of an owner's turn, and how it was accepted; None if the owner has no such turn."""

        def work(connection: Connection) -> tuple[str, Accepted] | None:
            query = select(turns).join(sessions, sessions.c.id == turns.c.session_id)
            row = connection.execute(query.where(turns.c.id == turn_id, sessions.c.owner == owner)).first()
            if row is None:
                return None
            return row.session_id, Accepted(turn_id=row.id, seq=row.accepted_seq, duplicate=True)

        return await self._database.read(work)

    async def owner_of(self, turn: Turn) -> str:
        """Who owns the turn's session."""
        query = select(sessions.c.owner).where(sessions.c.id == turn.session_id)
        return str(await self._database.read(lambda connection: connection.execute(query).scalar_one()))

    async def claim(self, session_id: str) -> Turn | None:
        """Claim the turn of a session that is to run now, or None if none is open.

        A turn whose record is damaged cannot run: it is ended as failed, and the next one is claimed.
        """
        now = self._now()

        def work(connection: Connection) -> tuple[Turn | None, list[Stored]]:
            query = select(turns).where(turns.c.session_id == session_id, turns.c.status.in_(_OPEN))
            ended: list[Stored] = []
            for row in connection.execute(query.order_by(turns.c.position)).all():
                if _is_sound(row):
                    values = {"status": "running", "fence": row.fence + 1}
                    connection.execute(update(turns).where(turns.c.id == row.id).values(**values))
                    return _turn(row, **values), ended
                ended += _end_damaged(connection, row, now)
            return None, ended

        turn, _ = await self._database.write(work, committed=lambda result: self._log.deliver(session_id, result[1]))
        return turn

    async def append(
        self, turn: Turn, new: Sequence[DomainEvent], messages: Sequence[str] = (), *, durable: bool = False
    ) -> list[Stored]:
        """Write what happened in a claimed turn, and the model messages that belong to it, in one transaction.

        Args:
            messages: Whole model messages in the agent framework's own JSON.

        Raises:
            FencedError: The turn is no longer ours; nothing was written.
            SessionStoreUnavailableError: Nothing was written; the same call may be made again.
        """
        now = self._now()

        def work(connection: Connection) -> list[Stored]:
            query = select(turns.c.fence, turns.c.status).where(turns.c.id == turn.id)
            row = connection.execute(query).first()
            if row is None or row.fence != turn.fence or row.status != "running":
                raise FencedError(f"The turn {turn.id} is no longer ours.")
            _insert_messages(connection, turn.id, messages)
            if any(isinstance(event, TurnEnded) for event in new):
                connection.execute(update(turns).where(turns.c.id == turn.id).values(status="ended"))
            return append_events(connection, turn.session_id, turn.id, new, now)

        return await self._database.write(
            work, durable=durable, committed=lambda stored: self._log.deliver(turn.session_id, stored)
        )

    async def events(self, turn: Turn) -> list[Stored]:
        """What has happened in a turn so far."""
        return await self._database.read(
            lambda connection: read_events(connection, turn.session_id, 0, turn_id=turn.id)
        )

    async def messages(self, turn: Turn) -> list[str]:
        """The turn's own model messages so far, in order."""
        return await self._database.read(lambda connection: _read_messages(connection, turn.id))

    async def earlier_messages(self, turn: Turn, max_chars: int) -> EarlierMessages:
        """Model messages of the session's earlier turns that ended with an answer.

        Args:
            max_chars: Whole turns are given, newest first, until their JSON together would be longer than this.
        """

        def work(connection: Connection) -> EarlierMessages:
            position = select(turns.c.position).where(turns.c.id == turn.id).scalar_subquery()
            query = select(turns.c.id).where(
                turns.c.session_id == turn.session_id, turns.c.status == "ended", turns.c.position < position
            )
            ids = [row.id for row in connection.execute(query.order_by(turns.c.position.desc()))]
            kept: list[list[str]] = []
            damaged = 0
            for index, turn_id in enumerate(ids):
                try:
                    messages = _read_messages(connection, turn_id)
                except SessionCorruptedError as error:
                    _log.error("%s That turn is left out of the conversation.", error)
                    damaged += 1
                    continue
                max_chars_left = max_chars - sum(len(text) for group in kept for text in group)
                if sum(map(len, messages)) > max_chars_left:
                    return EarlierMessages(kept[::-1], len(ids) - index, damaged)
                if len(messages) > 1:  # a question without an answer is not part of the conversation
                    kept.append(messages)
            return EarlierMessages(kept[::-1], 0, damaged)

        return await self._database.read(work)

    async def request_cancel(self, owner: str, session_id: str, turn_id: str | None) -> list[str]:
        """Note durably that the running turn, or the one named, is to stop; returns the ids of the turns it concerns.

        Raises:
            SessionNotFoundError: There is no such session, or no such turn in it, for this owner.
        """

        def work(connection: Connection) -> list[str]:
            find(connection, owner, session_id)
            mine = turns.c.session_id == session_id
            if turn_id is not None:
                known = connection.execute(select(turns.c.id).where(mine, turns.c.id == turn_id)).first()
                if known is None:
                    raise SessionNotFoundError(f"There is no turn {turn_id!r} in this session.", turn_id=turn_id)
            query = select(turns.c.id).where(mine, turns.c.status.in_(_OPEN)).order_by(turns.c.position)
            query = query.limit(1) if turn_id is None else query.where(turns.c.id == turn_id)
            ids = [row.id for row in connection.execute(query)]
            connection.execute(update(turns).where(turns.c.id.in_(ids)).values(cancel_requested=True))
            return ids

        return await self._database.write(work, durable=True)

    async def last_ended(self, owner: str, session_id: str) -> Turn | None:
        """The newest turn of a session that has ended, or None."""

        def work(connection: Connection) -> Turn | None:
            find(connection, owner, session_id)
            query = select(turns).where(turns.c.session_id == session_id, turns.c.status == "ended")
            row = connection.execute(query.order_by(turns.c.position.desc()).limit(1)).first()
            return _turn(row) if row else None

        return await self._database.read(work)

    async def open_sessions(self) -> list[str]:
        """Ids of the sessions that have an open turn, those where nothing has happened for longest coming first."""
        query = select(turns.c.session_id).where(turns.c.status.in_(_OPEN)).group_by(turns.c.session_id)
        query = query.join(sessions, sessions.c.id == turns.c.session_id).order_by(func.min(sessions.c.updated_at))
        return await self._database.read(lambda connection: [row.session_id for row in connection.execute(query)])

    async def fruitless_claims(self) -> dict[str, int]:
        """How often in a row an open turn was claimed and brought no word, for each session where it was."""
        mine = (events.c.session_id == turns.c.session_id) & (events.c.turn_id == turns.c.id)
        said = select(func.coalesce(func.max(events.c.seq), 0)).where(mine, events.c.type == TextDelta.__name__)
        claims = select(func.count()).where(
            mine,
            events.c.type.in_([TurnStarted.__name__, TurnResumed.__name__]),
            events.c.seq > said.correlate(turns).scalar_subquery(),
        )
        count = claims.correlate(turns).scalar_subquery()
        query = select(turns.c.session_id, count.label("claims")).where(turns.c.status == "running")
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.session_id: row.claims for row in rows if row.claims}


def _accepted_before(row: Row[Any], content: str) -> Accepted:
    if row.content != content:
        raise SessionConflictError(
            f"The message id {row.message_id!r} was used before, with another content.", message_id=row.message_id
        )
    return Accepted(turn_id=row.id, seq=row.accepted_seq, duplicate=True)


def _is_sound(row: Row[Any]) -> bool:
    return row.checksum == checksum(row.id, row.session_id, row.message_id, row.content)


def _end_damaged(connection: Connection, row: Row[Any], now: float) -> list[Stored]:
    """End a turn that cannot be run, since nobody knows what was asked."""
    _log.error("The turn %s does not match its checksum, so it is ended.", row.id)
    started = select(events.c.seq).where(
        events.c.session_id == row.session_id, events.c.turn_id == row.id, events.c.type == TurnStarted.__name__
    )
    new: list[DomainEvent] = [TurnEnded(turn=row.id, outcome="failed", kind="session.corrupted", message=DAMAGED)]
    if connection.execute(started).first() is None:
        new.insert(0, TurnStarted(turn=row.id, agent=row.agent))
    connection.execute(update(turns).where(turns.c.id == row.id).values(status="ended"))
    return append_events(connection, row.session_id, row.id, new, now)


def _turn(row: Row[Any], **changes: Any) -> Turn:
    if not _is_sound(row):
        raise SessionCorruptedError(f"The turn {row.id} does not match its checksum.", session_id=row.session_id)
    names = ("id", "session_id", "message_id", "content", "agent", "status", "fence", "cancel_requested")
    return Turn(**{name: getattr(row, name) for name in names} | changes)


def _insert_messages(connection: Connection, turn_id: str, messages: Sequence[str]) -> None:
    if not messages:
        return
    last = connection.execute(
        select(func.max(model_messages.c.n)).where(model_messages.c.turn_id == turn_id)
    ).scalar_one()
    rows = [
        {"turn_id": turn_id, "n": n, "payload": payload, "checksum": checksum(turn_id, n, payload)}
        for n, payload in enumerate(messages, (last or 0) + 1)
    ]
    connection.execute(insert(model_messages), rows)


def _read_messages(connection: Connection, turn_id: str) -> list[str]:
    query = select(model_messages).where(model_messages.c.turn_id == turn_id).order_by(model_messages.c.n)
    payloads: list[str] = []
    for row in connection.execute(query):
        if row.checksum != checksum(turn_id, row.n, row.payload):
            raise SessionCorruptedError(f"Message {row.n} of turn {turn_id} does not match its checksum.")
        payloads.append(row.payload)
    return payloads
