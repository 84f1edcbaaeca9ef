"""The demo's right side: a client of `yaoki serve` that writes down what it was shown of one answer.

It follows the event stream by the same client as `yaoki chat`, over as many connections as it takes.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

from yaoki.cli.answer import WHOLE
from yaoki.cli.client import Client, Frame, LinkBack, LinkLost, Sent
from yaoki.cli.demo.score import Piece, Transcript
from yaoki.cli.demo.screen import RIGHT, Stage
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

_AFTER_THE_END = "yaoki.heartbeat"


class Reader:
    """Follows one turn.

    Args:
        stage: Shows what comes.
        turn_id: The turn.
        clock: Tells when a piece was shown.

    Attributes:
        resumed: How often the turn was taken up again by another process.
    """

    def __init__(self, stage: Stage, turn_id: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self.turn_id = turn_id
        self.resumed = 0
        self._stage = stage
        self._clock = clock
        self._pieces: list[Piece] = []
        self._voided_chars = 0
        self._ends: list[Mapping[str, Any]] = []
        self._message: str | None = None
        self._snapshot: dict[str, str] = {}
        self._changed = asyncio.Event()

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "".join(piece.text for piece in self._pieces)

    @property
    def ended(self) -> bool:
        """A terminal event has come."""
        return bool(self._ends)

    async def follow(self, client: Client, session_id: str, sent: Sent, *, within_s: float) -> Transcript:
        """Read to the end, and a heartbeat further: a second end would come before it.

        Args:
            within_s: Seconds after which the transcript is what it is, with or without an end.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._read(client, session_id, sent)
        except TimeoutError:
            self._stage.note(RIGHT, f"no end within {within_s:g} s")
        history = await client.history(session_id)
        answers = [m for m in history["messages"] if m["turn_id"] == self.turn_id and m["role"] == "assistant"]
        return self.transcript(record="".join(message["content"] for message in answers))

    async def _read(self, client: Client, session_id: str, sent: Sent) -> None:
        async with aclosing(client.events(session_id, sent.event_id)) as events:
            async for item in events:
                self.take(item)
                if self.ended and isinstance(item, Frame) and item.type == _AFTER_THE_END:
                    return

    async def until(self, true: Callable[["Reader"], bool]) -> None:
        """Return as soon as `true` of this reader."""
        while not true(self):
            self._changed.clear()
            await self._changed.wait()

    def take(self, item: Frame | LinkLost | LinkBack) -> None:
        """The next thing that came over the link."""
        match item:
            case LinkLost():
                self._stage.note(RIGHT, f"connection lost ({item.reason}); reconnecting")
            case LinkBack():
                self._stage.note(RIGHT, "connected again, from the last event seen")
            case Frame(type="TEXT_MESSAGE_START"):
                self._open(str(item.event.get("messageId")))
            case Frame(type="TEXT_MESSAGE_CONTENT"):
                self._add(str(item.event.get("delta", "")))
            case Frame(type="MESSAGES_SNAPSHOT"):
                messages: list[Mapping[str, Any]] = item.event.get("messages") or []
                self._snapshot = {str(m.get("id")): str(m.get("content", "")) for m in messages}
            case Frame(type="RUN_FINISHED" | "RUN_ERROR"):
                self._end(item.event)
            case Frame(type="yaoki.reset"):
                self._void("what was written so far is void; the answer begins again")
            case Frame():
                self._happened(item)
        self._changed.set()

    def transcript(self, record: str | None = None) -> Transcript:
        """What came so far."""
        return Transcript(
            pieces=tuple(self._pieces),
            ends=[_outcome(end) for end in self._ends],
            finished=any(_outcome(end) in WHOLE for end in self._ends),
            claims_success=any(_outcome(end) in WHOLE for end in self._ends),
            voided_chars=self._voided_chars,
            record=record,
            told=self._ends[0] if self._ends else {},
        )

    def _open(self, message_id: str) -> None:
        """A message begins; or is opened again after a reconnect, and then the snapshot tells how far it had come."""
        if self._message not in (None, message_id):
            self._void("another answer begins")
        self._message = message_id
        known = self._snapshot.pop(message_id, self.text)
        if not known.startswith(self.text):
            self._void("the server tells another answer than the one that was shown")
        self._add(known[len(self.text) :])

    def _add(self, text: str) -> None:
        if text:
            self._pieces.append(Piece(self._clock.monotonic(), text))
            self._stage.show(RIGHT, text)

    def _void(self, why: str) -> None:
        self._voided_chars += len(self.text)
        self._pieces.clear()
        self._stage.note(RIGHT, why)

    def _end(self, event: Mapping[str, Any]) -> None:
        self._ends.append(event)
        self._stage.note(RIGHT, f"ended: {_outcome(event)}")

    def _happened(self, frame: Frame) -> None:
        facts = frame.value
        match frame.type:
            case "yaoki.failover" if facts.get("phase") == "mid_stream":
                where = f"after {facts.get('atChar')} characters"
                self._stage.note(
                    RIGHT, f"{facts.get('from')} failed {where} ({facts.get('kind')}); {facts.get('to')} goes on"
                )
            case "yaoki.failover":
                self._stage.note(RIGHT, f"{facts.get('from')} failed ({facts.get('kind')}); {facts.get('to')} answers")
            case "yaoki.resumed":
                self.resumed += 1
                self._stage.note(RIGHT, f"the turn was taken up again: {facts.get('reason')}")
            case _:
                pass


def _outcome(event: Mapping[str, Any]) -> str:
    """How a terminal event says that the turn ended."""
    if event.get("type") == "RUN_ERROR":
        return f"failed ({event.get('code')})"
    result: Mapping[str, Any] = event.get("result") or {}
    return str(result.get("outcome", "completed"))
