"""A recorded answer, given again by the same plays that the scripted provider has."""

import asyncio
from collections import deque
from collections.abc import Callable

from yaoki.faults.raw_http import Connection
from yaoki.faults.recording import (
    Recording,
    calls_of_chunk,
    finish_of_chunk,
    text_of_chunk,
    with_finish,
    with_text,
)
from yaoki.faults.reply import Json, Reply
from yaoki.faults.script import ChatRequest, Script


class Replay(Reply):
    """Writes one response out of a recording: its own chunks, in their order, up to wherever a play goes wrong.

    Only what a play makes up itself (a word too many, another finish reason) is new; it carries the recording's id,
    model and time. A chunk that the fault's position falls into is given in two parts.

    Args:
        peer: The connection that it is written to.
        request: What was asked.
        script: How to behave.
        recording: What the upstream said to it.
        fire: Called when the fault happens.
    """

    def __init__(
        self,
        peer: Connection,
        request: ChatRequest,
        script: Script,
        recording: Recording,
        fire: Callable[[], None],
    ) -> None:
        super().__init__(peer, request, script, recording.text, fire)
        self._recording = recording
        self._rest = deque(recording.events)
        self._said = 0

    async def healthy(self) -> None:
        """The answer from beginning to end, each chunk as it was."""
        await self.begin()
        self.at = 0
        await self.after()

    async def before(self) -> None:
        """Everything up to the fault."""
        await self.begin()
        if self.at:
            await self.say(self.text[: self.at])

    async def begin(self) -> None:
        """The head, and what came before the first word, tool call or end."""
        if not self._rest:  # the upstream answered a stream's request with a document
            await super().begin()
            return
        await self.head()
        while self._rest and not (_is_answer(self._rest[0]) or finish_of_chunk(self._rest[0])):
            await self._next()

    async def say(self, text: str) -> None:
        """Text. Where it is the recording's, its own chunks are given, and with the last word all up to the end."""
        remaining = self._recording.text[self._said :]
        if not self._rest or not remaining.startswith(text):
            await super().say(text)
            return
        goal = self._said + len(text)
        while self._said < goal:
            await self._next(goal - self._said)
        while text == remaining and self._rest and not finish_of_chunk(self._rest[0]):
            await self._next()

    async def finish(self, reason: str = "stop") -> None:
        """The terminator: the recording's own, unless the play wants another."""
        while self._rest and not finish_of_chunk(self._rest[0]):
            self._rest.popleft()
        if not self._rest:
            await super().finish(self._recording.finish if reason == "stop" else reason)
            return
        last = self._rest.popleft()
        await self.event(last if reason == "stop" else with_finish(last, reason))

    async def usage(self) -> None:
        """What came after the terminator, such as token counts."""
        while self._rest:
            await self._next()

    def document(self, reason: str = "stop", message: Json | None = None) -> Json:
        """The whole completion, as it was recorded; `reason` and `message` change it."""
        recorded = self._recording.document
        if recorded is None:
            return super().document(self._recording.finish if reason == "stop" else reason, message)
        first, *others = recorded["choices"]
        first = {
            **first,
            "message": message or first.get("message"),
            **({} if reason == "stop" else {"finish_reason": reason}),
        }
        return {**recorded, "choices": [first, *others]}

    async def _next(self, most: int | None = None) -> None:
        """Give the next chunk, or as much of it as has `most` characters."""
        chunk = self._rest.popleft()
        text = text_of_chunk(chunk)
        if most is not None and len(text) > most:
            self._rest.appendleft(with_text(chunk, text[most:]))
            chunk, text = with_text(chunk, text[:most]), text[:most]
        self._said += len(text)
        await asyncio.sleep(self.script.token_s)
        await self.event(chunk)

    def _stamp(self, kind: str) -> Json:
        known = self._recording.events[0] if self._recording.events else self._recording.document
        own = {name: known[name] for name in ("id", "created", "model") if name in known} if known else {}
        return {**super()._stamp(kind), **own}


def _is_answer(chunk: Json) -> bool:
    return bool(text_of_chunk(chunk)) or calls_of_chunk(chunk)
