"""Which frames one reader gets: a whole session from a place on, or one run.

A telling knows which frames its reader has, and turns each next event into those that are missing. It keeps only the
open run in memory; what came before is read from the log again if it has to be sent again.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, Protocol

from yaoki.api.event_ids import EventId
from yaoki.api.frames import Body, Projection, custom, snapshot, snapshot_messages
from yaoki.api.view import View, resume
from yaoki.store.events import Reset, Stored, TurnEnded, TurnStarted

Told = tuple[EventId | None, Body]
"""A frame with its place in the log; None for frames that are repeated, or made for this reader alone."""

_ENDS = ("RUN_FINISHED", "RUN_ERROR")


class Telling(Protocol):
    """What a feed asks of it.

    Attributes:
        projection: The session up to `place`.
        place: Everything before it is told.
        begun: Whether frames that are not in the log, such as heartbeats, may be sent: a run begins with RUN_STARTED.
        over: Whether there is nothing more to send.
    """

    projection: Projection
    place: EventId
    begun: bool
    over: bool

    def opening(self) -> list[Told]:
        """What the reader needs before the log goes on."""
        ...

    def recalls(self, stored: Stored) -> bool:
        """Whether this event's frames need all messages of the session, not only those of the open run."""
        ...

    def tell(self, stored: Stored) -> Iterable[Told]:
        """The next event's frames for this reader."""
        ...


class SessionTelling:
    """Everything in a session, from a place on.

    Args:
        projection: The session up to `place`.
        place: The last frame that the reader has.
        lost: The reader came from another log; it is told everything anew.
    """

    def __init__(self, projection: Projection, place: EventId, *, lost: bool = False) -> None:
        self.projection = projection
        self.place = place
        self.begun = True
        self.over = False
        self._lost = lost

    def opening(self) -> list[Told]:
        """The prelude; a place inside an event is met with its event."""
        if self.place.n and not self._lost:
            return []
        view = View(self.projection.session_id, self.projection.transcript)
        if not self._lost:
            return _nowhere(view.prelude())
        changed = custom("reset", {"turnId": None, "messageId": None, "reason": "log_changed"})
        anew = _nowhere([*view.run(), changed])
        return [*anew, (self.place, snapshot(view.messages)), *_nowhere(view.reopened())]

    def recalls(self, stored: Stored) -> bool:
        """A reset tells every message again."""
        return isinstance(stored.event, Reset)

    def tell(self, stored: Stored) -> Iterable[Told]:
        """The next event's frames for this reader."""
        place, self.place = self.place, EventId(self.place.log_id, stored.seq + 1, 0)
        prelude: list[Body] = []
        if place.n:
            prelude, frames = resume(self.projection, stored, place.n)
        else:
            frames = self.projection.take(stored)
        yield from _nowhere(prelude)
        for frame in frames:
            yield EventId(place.log_id, frame.seq, frame.n), frame.body


class RunTelling:
    """One run, from its beginning to its end, under the names that its reader has for it.

    Args:
        projection: The session up to `place`, or an empty one: what came before is looked up if it has to be told, so
            that the first frame waits for nothing.
        turn: The run.
        place: Before the run's first event.
        seen: The last of its frames that the reader has: it is told what follows, and nothing else.
        reader: "new" knows nothing of the run. "again" may know some of it: after RUN_STARTED comes a snapshot of what
            was before, so that nothing is there twice. "lost" came with a place that is not in this log, and is told so
            as well.
        names: The reader's own names for the session and the run.
    """

    def __init__(
        self,
        projection: Projection,
        turn: str,
        place: EventId,
        *,
        seen: EventId | None = None,
        reader: Literal["new", "again", "lost"] = "new",
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.projection = projection
        self.place = place
        self.begun = False
        self.over = False
        self._turn = turn
        self._seen = (seen.seq, seen.n) if seen else (0, 0)
        self._reader = reader
        self._names = names or {}

    def opening(self) -> list[Told]:
        """Nothing: a run's own frames say everything."""
        return []

    def recalls(self, stored: Stored) -> bool:
        """A reset tells every message again, and so does a beginning that may be known."""
        begins = isinstance(stored.event, TurnStarted | TurnEnded) and stored.event.turn == self._turn
        return isinstance(stored.event, Reset) or (self._reader != "new" and not self.begun and begins)

    def tell(self, stored: Stored) -> Iterable[Told]:
        """The next event's frames of this run."""
        log_id = self.place.log_id
        self.place = EventId(log_id, stored.seq + 1, 0)
        for frame in self.projection.take(stored):
            if frame.turn != self._turn:
                continue
            self.begun = True
            self.over = frame.body["type"] in _ENDS
            if (frame.seq, frame.n) > self._seen:
                yield EventId(log_id, frame.seq, frame.n), self._named(frame.body)
            if frame.body["type"] == "RUN_STARTED":
                yield from _nowhere(self._before())

    def _before(self) -> list[Body]:
        if self._reader == "new":
            return []
        changed = custom("reset", {"turnId": self._turn, "messageId": None, "reason": "log_changed"})
        return [*([changed] if self._reader == "lost" else []), snapshot(snapshot_messages(self.projection.transcript))]

    def _named(self, body: Body) -> Body:
        """The frame under the reader's names."""
        if not self._names or "runId" not in body:
            return body
        named = {key: self._names.get(body[key], body[key]) for key in ("threadId", "runId") if key in body}
        told = {**body, **named}
        if "input" in body:
            told["input"] = {**body["input"], **named}
        return told


def _nowhere(bodies: Iterable[Body]) -> list[Told]:
    return [(None, body) for body in bodies]
