"""Runs and threads of AG-UI clients as turns and sessions of ours.

The id of a run's turn follows from the owner and the client's `runId`: so what a client names is found again after any
restart, and never as somebody else's. A thread is the session of that id, or one whose id follows from the thread's.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yaoki.api.agui.run_input import RunInput
from yaoki.api.event_ids import EventId
from yaoki.api.feed import Feed
from yaoki.api.frames import Projection
from yaoki.api.intake import accept, check_length
from yaoki.api.services import Services
from yaoki.api.tellings import RunTelling
from yaoki.errors import AIOrchestrationError, SessionConflictError, SessionNotFoundError
from yaoki.sessions.transcript import Message, Transcript
from yaoki.store.contract import Accepted

_THREAD = "thread_id"
_UNANSWERED = ("failed", "parked", "degraded")


@dataclass(frozen=True, slots=True)
class Run:
    """A run, under the names that its client has for it.

    Attributes:
        names: What the client calls the session and the turn.
    """

    session_id: str
    accepted: Accepted
    names: Mapping[str, str]


class Runs:
    """The runs of one owner."""

    def __init__(self, services: Services, owner: str) -> None:
        self._services = services
        self._orchestrator = services.orchestrator
        self._owner = owner

    async def session_of(self, thread_id: str) -> str:
        """The id of a thread's session, which need not exist yet."""
        try:
            return (await self._orchestrator.session(self._owner, thread_id)).id
        except SessionNotFoundError:
            return f"s_{self._digest('thread', thread_id)}"

    async def find(self, run_id: str) -> Run:
        """A run that has been started.

        Raises:
            SessionNotFoundError: The owner has none of that id.
        """
        found = await self._turn(run_id)
        if found is None:
            raise _unknown(run_id)
        session_id, accepted = found
        session = await self._orchestrator.session(self._owner, session_id)
        thread_id = str(session.metadata.get(_THREAD, session_id))
        return Run(session_id, accepted, {session_id: thread_id, accepted.turn_id: run_id})

    async def start(self, wanted: RunInput, *, resuming: bool) -> Run:
        """A run that a client asks for: started, unless the run or its message is known.

        Args:
            resuming: The client has seen some of it, so it is not started whatever happens.

        Raises:
            SessionConflictError: The run belongs to another thread, or its message's id to another message.
            SessionNotFoundError: The client resumes what is not known.
            SecurityInputRejectedError: There is no message to answer.
        """
        session_id = await self.session_of(wanted.thread_id)
        found = await self._turn(wanted.run_id)
        if found is not None and found[0] != session_id:
            raise SessionConflictError(f"The run {wanted.run_id!r} belongs to another thread.", run_id=wanted.run_id)
        if found is not None:
            accepted = found[1]
        elif resuming:
            accepted = await self._answering(wanted, session_id)
        else:
            accepted = await self._begin(wanted, session_id)
        return Run(session_id, accepted, {session_id: wanted.thread_id, accepted.turn_id: wanted.run_id})

    async def feed(self, run: Run, seen: EventId | None) -> Feed:
        """The run's frames, after `seen` if that is a place in this log."""
        log_id = self._orchestrator.log_id
        last_seq = (await self._orchestrator.session(self._owner, run.session_id)).last_seq
        lost = seen is not None and (seen.log_id != log_id or seen.is_beyond(last_seq))
        knows_some = seen is None and run.accepted.duplicate
        telling = RunTelling(
            Projection(run.session_id, Transcript()),
            run.accepted.turn_id,
            EventId(log_id, run.accepted.seq, 0),
            seen=None if lost else seen,
            reader="lost" if lost else "again" if knows_some else "new",
            names=run.names,
        )
        return Feed(self._services, self._owner, telling)

    async def _turn(self, run_id: str) -> tuple[str, Accepted] | None:
        """The turn of a run; runs that were not started here go by the turn's own id."""
        for turn_id in (self._turn_id(run_id), run_id):
            try:
                return await self._orchestrator.turn(self._owner, turn_id)
            except SessionNotFoundError:
                continue
        return None

    async def _begin(self, wanted: RunInput, session_id: str) -> Accepted:
        """Send the message; one that is known is answered by its turn, or taken up again if that came to nothing."""
        question = wanted.question()
        check_length(self._services, question)  # before there is a session for it
        await self._orchestrator.create_session(
            self._owner, metadata={_THREAD: wanted.thread_id}, session_id=session_id
        )
        turn_id = self._turn_id(wanted.run_id)
        accepted = await accept(self._services, self._owner, session_id, question, turn_id=turn_id)
        if not accepted.duplicate:
            return accepted
        messages = (await self._orchestrator.transcript(self._owner, session_id)).messages
        if messages and messages[-1].turn == accepted.turn_id and messages[-1].outcome in _UNANSWERED:
            return await self._orchestrator.recover_session(self._owner, session_id, turn_id=turn_id)
        return accepted

    async def _answering(self, wanted: RunInput, session_id: str) -> Accepted:
        """The turn that answers the client's last message."""
        transcript = await self._orchestrator.transcript(self._owner, session_id)
        asked = wanted.question_id
        known: list[Message] = [*transcript.messages, *transcript.waiting.values()]
        turn = next((message.turn for message in known if message.role == "user" and message.id == asked), None)
        if turn is None:
            raise _unknown(wanted.run_id)
        return (await self._orchestrator.turn(self._owner, turn))[1]

    def _turn_id(self, run_id: str) -> str:
        return f"t_{self._digest('run', run_id)}"

    def _digest(self, *named: Any) -> str:
        return hashlib.sha256("\0".join((self._owner, *named)).encode()).hexdigest()[:20]


def _unknown(run_id: str) -> AIOrchestrationError:
    return SessionNotFoundError("There is no such run.", run_id=run_id, remedy="Start it with POST /agui.")
