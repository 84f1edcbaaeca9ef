"""One reader's stream of a session: the prelude, then the log as it grows, then a word about why it ends."""

import asyncio
from collections.abc import AsyncGenerator, Iterator

from yaoki.api.event_ids import EventId
from yaoki.api.event_stream import encode_event
from yaoki.api.frames import Body, Projection, custom, guidance_frame, snapshot
from yaoki.api.view import View, resume
from yaoki.api.wiring import Services
from yaoki.errors import AIOrchestrationError, SessionNotFoundError
from yaoki.sessions.transcript import Transcript
from yaoki.store.events import Guidance, Reset, Stored
from yaoki.store.log import Tail

_CHUNK_BYTES = 65_536
_ENDS = ("RUN_FINISHED", "RUN_ERROR")
_WAITING = b": the run has not begun\n\n"


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
    beyond = (place.seq, place.n) > (session.last_seq + 1, 0)
    lost = beyond or place.log_id != orchestrator.log_id
    if place.seq == 1 and not lost:
        transcript = Transcript()
    else:
        transcript = await orchestrator.transcript(owner, session_id, upto=None if lost else place.seq - 1)
    if lost:
        place = EventId(orchestrator.log_id, transcript.last_seq + 1, 0)
    return Feed(services, owner, Projection(session_id, transcript), place, lost=lost)


class Feed:
    """Reads the log at the reader's own pace and turns it into bytes. It holds a place in the log, and no queue.

    Args:
        projection: The session up to `place`.
        place: The last frame that the reader has.
        lost: The reader came from another log; it is told everything anew.
        turn: Tell this turn only, to its end. `place` is before its first event, and the projection may be empty: what
            came before the turn is read only if it has to be told, so that the first frame waits for nothing.

    A stream of one turn begins with RUN_STARTED, as AG-UI wants it; until then it is kept alive by comments.
    """

    def __init__(
        self,
        services: Services,
        owner: str,
        projection: Projection,
        place: EventId,
        *,
        lost: bool = False,
        turn: str | None = None,
    ) -> None:
        self._services = services
        self._owner = owner
        self._projection = projection
        self._place = place
        self._lost = lost
        self._turn = turn
        self._knows_all = turn is None
        self._begun = turn is None
        self._over = False
        self._trouble: str | None = None
        self._spoke = services.clock.monotonic()

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The stream; ends when the turn, the session or the server does. Close it when nobody reads any more."""
        services, session_id = self._services, self._projection.session_id
        closing = asyncio.create_task(services.closing.wait())
        services.streams["sse"] += 1
        try:
            with await services.orchestrator.tail(self._owner, session_id, self._place.seq - 1) as tail:
                if opening := self._opening():
                    yield opening
                while not self._over:
                    batch = await self._next(tail, closing)
                    if not batch and closing.done():
                        yield self._farewell("restarting", "The server is about to restart.", "reconnect")
                        break
                    await self._look_back(batch)
                    for chunk in self._told(batch):
                        yield chunk
                        self._spoke = services.clock.monotonic()
        except SessionNotFoundError:
            yield self._farewell("deleted", "The session was deleted.", "reload")
        except AIOrchestrationError as error:
            yield self._farewell(error.kind, error.message, "reconnect" if error.retryable else "reload")
        finally:
            closing.cancel()
            await asyncio.wait({closing})
            services.streams["sse"] -= 1

    def _opening(self) -> bytes:
        """What the reader needs before the log goes on; a place inside an event is met with its event."""
        if self._turn is not None or (self._place.n and not self._lost):
            return b""
        view = View(self._projection.session_id, self._projection.transcript)
        if not self._lost:
            return b"".join(map(encode_event, view.prelude()))
        changed = custom("reset", {"turnId": None, "messageId": None, "reason": "log_changed"})
        told = [encode_event(body) for body in (*view.run(), changed)]
        told.append(encode_event(snapshot(view.messages), self._place))
        return b"".join([*told, *map(encode_event, view.reopened())])

    async def _next(self, tail: Tail, closing: asyncio.Task[bool]) -> list[Stored]:
        """The next events; none when it is time for a heartbeat, or when the server stops and all is told."""
        if closing.done():
            return await tail.read(0)
        reading = asyncio.create_task(tail.read(self._silence_s()))
        try:
            await asyncio.wait({reading, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.wait({reading})
        return await tail.read(0) if reading.cancelled() else reading.result()

    async def _look_back(self, batch: list[Stored]) -> None:
        """Before a reset is told: it tells every message again, also those from before the turn."""
        if not self._knows_all and any(isinstance(stored.event, Reset) for stored in batch):
            self._knows_all = True
            self._projection.transcript = await self._services.orchestrator.transcript(
                self._owner, self._projection.session_id, upto=batch[0].seq - 1
            )

    def _told(self, batch: list[Stored]) -> Iterator[bytes]:
        """The batch as bytes, in pieces of bounded size; a sign of life if there is nothing to tell."""
        pieces: list[bytes] = []
        size = 0
        if self._services.orchestrator.trouble != self._trouble and self._begun:
            yield self._change()
        for stored in batch:
            for piece in self._event(stored):
                pieces.append(piece)
                size += len(piece)
            if size > _CHUNK_BYTES:
                yield b"".join(pieces)
                pieces, size = [], 0
        if pieces:
            yield b"".join(pieces)
        elif not self._silence_s():
            yield self._heartbeat()

    def _event(self, stored: Stored) -> Iterator[bytes]:
        """One event's frames for this reader."""
        place, self._place = self._place, EventId(self._place.log_id, stored.seq + 1, 0)
        prelude: list[Body] = []
        if place.n:
            prelude, frames = resume(self._projection, stored, place.n)
        else:
            frames = self._projection.take(stored)
        yield from map(encode_event, prelude)
        for frame in frames:
            if self._turn in (None, frame.turn):
                self._begun = True
                self._over = self._turn is not None and frame.body["type"] in _ENDS
                yield encode_event(frame.body, EventId(place.log_id, frame.seq, frame.n))

    def _silence_s(self) -> float:
        """Seconds that nothing may be said from now on."""
        silent_s = self._services.clock.monotonic() - self._spoke
        return max(0.0, self._services.policy.heartbeat_s - silent_s)

    def _heartbeat(self) -> bytes:
        if not self._begun:
            return _WAITING
        return encode_event(custom("heartbeat", {"everyS": self._services.policy.heartbeat_s}))

    def _change(self) -> bytes:
        """What is said when nothing can be saved any more, and when it can again: the log cannot take an event of it."""
        self._trouble = self._services.orchestrator.trouble
        if self._trouble is None:
            back = Guidance(state="saving", reason="Messages are saved again.", action="resend")
            return encode_event(guidance_frame(back))
        reason = f"{self._trouble} New messages are refused; answers under way wait, and go on by themselves."
        wait_s = self._services.policy.retry_after_s
        return encode_event(
            guidance_frame(Guidance(state="paused", reason=reason, action="wait", retry_after_s=wait_s))
        )

    def _farewell(self, state: str, reason: str, action: str) -> bytes:
        """The last word of a stream that ends before its time. Readers come back spread over time, not all at once."""
        wait_s = self._services.policy.retry_after_s * (1 + self._services.rng.random())
        guidance = Guidance(
            state=state,
            reason=reason,
            action=action,
            retry_after_s=round(wait_s, 1) if action == "reconnect" else None,
            resume_from=str(self._place) if action == "reconnect" else None,
        )
        return encode_event(guidance_frame(guidance))
