"""Sessions and their messages, for every way in: HTTP, the command line, voice."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from yaoki.errors import (
    ResourceOverloadedError,
    SecurityInputRejectedError,
    SessionConflictError,
    SessionNotFoundError,
    SessionStoreUnavailableError,
)
from yaoki.orchestrator.readiness import Readiness
from yaoki.sessions.transcript import Transcript
from yaoki.store.contract import Accepted, Session
from yaoki.store.events import TurnEnded
from yaoki.store.log import Tail
from yaoki.store.store import Store
from yaoki.turns.local_runner import LocalRunner

_PAGE = 500
_DRAIN_RETRY_S = 2.0


class Orchestrator:
    """Takes messages in, durably, and lets their turns run whether or not anyone listens.

    Args:
        agents: Names of the agents that a session may have; the first is the default.
        notes: States of what may be down while the rest goes on, for readiness.

    Every method that names an owner sees that owner's sessions only: somebody else's do not exist.
    """

    def __init__(
        self,
        store: Store,
        runner: LocalRunner,
        agents: tuple[str, ...],
        *,
        notes: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._store = store
        self._runner = runner
        self._agents = agents
        self._notes = notes
        self.draining = False

    @property
    def log_id(self) -> str:
        """The log that event ids belong to."""
        return self._store.log_id

    @property
    def trouble(self) -> str | None:
        """Why nothing could be saved when it was last tried, in plain words; None if it could."""
        trouble = self._store.database.trouble
        return trouble.message if trouble is not None else None

    async def create_session(
        self,
        owner: str,
        session_type: str = "chat",
        *,
        agent: str | None = None,
        metadata: dict[str, Any] | None = None,
        session_id: str | None = None,
    ) -> Session:
        """Open a session.

        Args:
            session_id: The id that it is to have; if the owner has that session, it is returned as it is.

        Raises:
            SecurityInputRejectedError: This instance has no such session type or agent.
        """
        if session_type != "chat":
            raise SecurityInputRejectedError(
                f'There are no sessions of type {session_type!r} here; use "chat".', field="session_type"
            )
        agent = agent or self._agents[0]
        if agent not in self._agents:
            raise SecurityInputRejectedError(
                f"There is no agent {agent!r}; the settings define {', '.join(self._agents)}.", field="agent"
            )
        return await self._store.sessions.create(owner, session_type, agent, metadata or {}, session_id=session_id)

    async def sessions(self, owner: str, *, limit: int = 50, before: str | None = None) -> list[Session]:
        """An owner's sessions, newest activity first; `before` is the id of the last one already seen."""
        return await self._store.sessions.newest(owner, limit, before)

    async def session(self, owner: str, session_id: str) -> Session:
        """One session. Raises `SessionNotFoundError`."""
        return await self._store.sessions.get(owner, session_id)

    async def rename_session(self, owner: str, session_id: str, title: str) -> Session:
        """Give a session another title. Raises `SessionNotFoundError`."""
        return await self._store.sessions.change(owner, session_id, title=title)

    async def close_session(self, owner: str, session_id: str) -> Session:
        """Take no more messages; those accepted are still answered. Raises `SessionNotFoundError`."""
        return await self._store.sessions.change(owner, session_id, status="closed")

    async def delete_session(self, owner: str, session_id: str) -> None:
        """Stop whatever runs in a session and erase it, a damaged one too. Raises `SessionNotFoundError`."""
        await self._store.sessions.require(owner, session_id)
        await self._runner.leave(session_id)
        try:
            await self._store.sessions.erase(owner, session_id)
        except SessionStoreUnavailableError:
            self._runner.submit(session_id)  # it is still there, and so is what was running in it
            raise
        self._store.log.erase(session_id)

    async def send(
        self,
        owner: str,
        session_id: str,
        content: str,
        *,
        message_id: str | None = None,
        turn_id: str | None = None,
    ) -> Accepted:
        """Accept a message. When this returns, it is on disk and its turn will run, whatever happens next.

        Args:
            message_id: The client's own id: the same one again, with the same content, returns the same turn.
            turn_id: The id that its turn is to have; if the session has that turn, it is returned as it is.

        Raises:
            SessionNotFoundError: There is no such session for this owner.
            SessionConflictError: The id came with other content before.
            SessionClosedError: The session takes no more messages.
            ResourceOverloadedError: This instance is about to stop, or too many messages stand in line.
            SessionStoreUnavailableError: Nothing was written.
        """
        if self.draining:
            raise ResourceOverloadedError("This instance is about to restart.", retry_after_s=_DRAIN_RETRY_S)
        accepted = await self._store.turns.accept(
            owner, session_id, message_id or f"u_{secrets.token_hex(10)}", content, turn_id=turn_id
        )
        self._runner.submit(session_id)
        return accepted

    async def cancel(self, owner: str, session_id: str, *, turn_id: str | None = None) -> list[str]:
        """Stop the running turn, or the one named; returns the ids of the turns that this concerns, if any are open."""
        ids = await self._store.turns.request_cancel(owner, session_id, turn_id)
        self._runner.stop(ids)
        return ids

    async def turn(self, owner: str, turn_id: str) -> tuple[str, Accepted]:
        """The session of a turn, and how the turn was accepted.

        Raises:
            SessionNotFoundError: There is no such turn for this owner.
        """
        found = await self._store.turns.find(owner, turn_id)
        if found is None:
            raise SessionNotFoundError("There is no such turn.", turn_id=turn_id)
        return found

    async def recover_session(self, owner: str, session_id: str, *, turn_id: str | None = None) -> Accepted:
        """Take the last message up again as a new turn, if its turn failed or was parked.

        Args:
            turn_id: The id that the new turn is to have.

        Raises:
            SessionConflictError: The last turn ended well, or none has ended.
        """
        last = await self._store.turns.last_ended(owner, session_id)
        if last is not None:
            ended = [stored.event for stored in await self._store.turns.events(last)][-1]
            if isinstance(ended, TurnEnded) and ended.outcome in ("parked", "failed", "degraded"):
                again = f"{last.message_id}+"
                return await self.send(owner, session_id, last.content, message_id=again, turn_id=turn_id)
        raise SessionConflictError("No turn of this session waits for a recovery.", session_id=session_id)

    async def transcript(self, owner: str, session_id: str, *, upto: int | None = None) -> Transcript:
        """The session's messages, folded from its log up to and with seq `upto`, or to its end."""
        await self._store.sessions.get(owner, session_id)
        transcript = Transcript()
        while page := await self._store.log.read(session_id, transcript.last_seq, limit=_PAGE):
            for stored in page:
                if upto is not None and stored.seq > upto:
                    return transcript
                transcript.fold(stored)
        return transcript

    async def tail(self, owner: str, session_id: str, after: int) -> Tail:
        """Follow a session's log from the event after `after`. Raises `SessionNotFoundError`."""
        await self._store.sessions.get(owner, session_id)
        return self._store.log.follow(session_id, after)

    async def readiness(self) -> Readiness:
        """Whether new messages can be taken; writes and reads a little to find out."""
        checks = {"store": "ok", "intake": "draining" if self.draining else "ok"}
        try:
            await self._store.check()
        except SessionStoreUnavailableError as error:
            checks["store"] = error.message
        return Readiness(checks, dict(self._notes()))
