"""One reader's stream: frames as the log grows, and at an early end a last frame that says why."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from yaoki.api.event_ids import EventId
from yaoki.api.frames import Body, Projection, custom, guidance_frame
from yaoki.api.services import Services
from yaoki.api.tellings import SessionTelling, Telling, Told
from yaoki.errors import AIOrchestrationError, SessionNotFoundError
from yaoki.sessions.transcript import Transcript
from yaoki.store.events import Guidance, Stored
from yaoki.store.log import Tail


@dataclass(frozen=True, slots=True)
class Farewell:
    """The last frame of a stream that ends early, and the WebSocket close code for the same reason."""

    body: Body
    code: int


async def open_feed(services: Services, owner: str, session_id: str, after: EventId | None) -> "Feed":
    """A stream of a session from a place in its log, or from the beginning.

    Args:
        after: The last frame that the reader has. If it is not in this log, the reader is told to begin anew.

    Raises:
        SessionNotFoundError: There is no such session for this owner.
    """
    orchestrator = services.orchestrator
    session = await orchestrator.session(owner, session_id)
    place = after or EventId(orchestrator.log_id, 1, 0)
    lost = place.log_id != orchestrator.log_id or place.is_beyond(session.last_seq)
    if place.seq == 1 and not lost:
        transcript = Transcript()
    else:
        transcript = await orchestrator.transcript(owner, session_id, upto=None if lost else place.seq - 1)
    if lost:
        place = EventId(orchestrator.log_id, transcript.last_seq + 1, 0)
    return Feed(services, owner, SessionTelling(Projection(session_id, transcript), place, lost=lost))


class Feed:
    """Reads the log at the reader's own pace. It holds a place in the log, and no queue.

    Attributes:
        farewell: Set once the batches have ended early: the last frame to send.
    """

    def __init__(self, services: Services, owner: str, telling: Telling) -> None:
        self.farewell: Farewell | None = None
        self._services = services
        self._owner = owner
        self._telling = telling
        self._knows_all = telling.projection.transcript.last_seq == telling.place.seq - 1
        self._trouble: str | None = None
        self._spoke = services.clock.monotonic()

    async def batches(self) -> AsyncGenerator[list[Told]]:
        """The frames as they come; an empty batch is a sign of life for a reader whose run has not begun.

        Ends when the run, the session or the server does. Close it when nobody reads any more.
        """
        orchestrator, telling = self._services.orchestrator, self._telling
        try:
            with await orchestrator.tail(self._owner, telling.projection.session_id, telling.place.seq - 1) as tail:
                if opening := telling.opening():
                    yield opening
                while not telling.over:
                    self._let_go()
                    batch = await self._next(tail)
                    if not batch and self._services.closing.is_set():
                        self.farewell = self._leave("restarting", "The server is about to restart.", "reconnect", 1012)
                        return
                    await self._look_back(batch)
                    told = [*self._change(), *(frame for stored in batch for frame in telling.tell(stored))]
                    if told or not self._silence_s():
                        yield told or self._heartbeat()
                        self._spoke = self._services.clock.monotonic()
        except SessionNotFoundError:
            self.farewell = self._leave("deleted", "The session was deleted.", "reload", 1001)
        except AIOrchestrationError as error:
            again = error.retryable
            self.farewell = self._leave(
                error.kind, error.message, "reconnect" if again else "reload", 1013 if again else 1011
            )

    async def _next(self, tail: Tail) -> list[Stored]:
        """The next events; none when it is time for a heartbeat, or when the server stops and all is told."""
        closing = self._services.closing
        if not closing.is_set():
            try:
                async with asyncio.timeout(None) as waiting:
                    with closing.interruptible(waiting):
                        return await tail.read(self._silence_s())
            except TimeoutError:
                pass  # the server stops
        return await tail.read(0)

    async def _look_back(self, batch: list[Stored]) -> None:
        """Before an event that sends every message again: read those that `_let_go` has dropped."""
        if not self._knows_all and any(self._telling.recalls(stored) for stored in batch):
            self._knows_all = True
            projection = self._telling.projection
            projection.transcript = await self._services.orchestrator.transcript(
                self._owner, projection.session_id, upto=batch[0].seq - 1
            )

    def _let_go(self) -> None:
        """Keep only the open run: a thousand readers must not hold a thousand copies of old messages."""
        transcript = self._telling.projection.transcript
        open_now = (transcript.open_turn, transcript.open_message)
        kept = [message for message in transcript.messages if message.turn in open_now or message.id in open_now]
        if len(kept) < len(transcript.messages) and not self._telling.place.n:
            transcript.messages = kept
            self._knows_all = False

    def _silence_s(self) -> float:
        """Seconds until a heartbeat is due."""
        silent_s = self._services.clock.monotonic() - self._spoke
        return max(0.0, self._services.policy.heartbeat_s - silent_s)

    def _heartbeat(self) -> list[Told]:
        if not self._telling.begun:
            return []
        return [(None, custom("heartbeat", {"everyS": self._services.policy.heartbeat_s}))]

    def _change(self) -> list[Told]:
        """A frame for when the store stops saving, and when it saves again: the log itself cannot say so."""
        trouble = self._services.orchestrator.trouble
        if trouble == self._trouble or not self._telling.begun:
            return []
        self._trouble = trouble
        if trouble is None:
            guidance = Guidance(state="saving", reason="Messages are saved again.", action="resend")
        else:
            reason = f"{trouble} New messages are refused; answers under way wait, and go on by themselves."
            wait_s = self._services.policy.retry_after_s
            guidance = Guidance(state="paused", reason=reason, action="wait", retry_after_s=wait_s)
        return [(None, guidance_frame(guidance))]

    def _leave(self, state: str, reason: str, action: str, code: int) -> Farewell:
        """The last frame. The wait is drawn anew for each reader, so that they do not all come back at once."""
        comes_back = action == "reconnect"
        wait_s = self._services.policy.retry_after_s * (1 + self._services.rng.random())
        guidance = Guidance(
            state=state,
            reason=reason,
            action=action,
            retry_after_s=round(wait_s, 1) if comes_back else None,
            resume_from=str(self._telling.place) if comes_back else None,
        )
        return Farewell(guidance_frame(guidance), code)
