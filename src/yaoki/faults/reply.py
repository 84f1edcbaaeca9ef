"""One answer while it is written: the pieces that every play is made of.

A play is a coroutine that takes a `Reply`: it says what a healthy provider says up to `at`, calls `fire`, goes wrong.
"""

import asyncio
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from yaoki.faults.raw_http import Connection, chunked, head
from yaoki.faults.script import ChatRequest, Script, tokens
from yaoki.resilience.clock import SYSTEM_CLOCK

Framing = Literal["chunked", "close"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a stream is spelled: every value here is healthy.

    Attributes:
        eol: The line ending.
        field: What stands before an event's JSON.
        before: Lines before each event, such as comments or `event:` and `id:` fields.
        split_data: One event's JSON comes as several `data:` lines.
        ascii: Every other character is escaped.
        write_bytes: Bytes per write and HTTP chunk; 0: an event at a time.
        bom: A byte order mark opens the stream.
        gzip: The body is compressed, although nobody asked (only with chunks).
        content_type: What the head calls it.
        framing: How the body's end is told: by chunks, or by closing.
        extension: Something after the size of an HTTP chunk.
        preface: A whole response of 1xx before the real one.
        decorate: Changes a chunk before it is sent.
    """

    eol: str = "\n"
    field: str = "data: "
    before: str = ""
    split_data: bool = False
    ascii: bool = False
    write_bytes: int = 0
    bom: bool = False
    gzip: bool = False
    content_type: str = "text/event-stream; charset=utf-8"
    framing: Framing = "chunked"
    extension: str = ""
    preface: bytes = b""
    decorate: Callable[[Json], Json] | None = None


PLAIN = Style()


class Reply:
    """Writes one response.

    Args:
        peer: The connection that it is written to.
        request: What was asked.
        script: How to behave.
        text: What there is to say.
        fire: Called when the fault happens.
    """

    def __init__(
        self, peer: Connection, request: ChatRequest, script: Script, text: str, fire: Callable[[], None]
    ) -> None:
        self.peer = peer
        self.request = request
        self.script = script
        self.text = text
        self.fire = fire
        self.at = min(len(text), len(text) * 2 // 5 if script.at is None else script.at)
        self.style = PLAIN
        self._squeeze = zlib.compressobj(wbits=31)
        self._started = False
        self._created = int(SYSTEM_CLOCK.utcnow().timestamp())

    # ------------------------------------------------------------------------------------------------ the whole answer

    async def healthy(self) -> None:
        """The answer from beginning to end."""
        await self.before()
        await self.after()

    async def before(self) -> None:
        """Everything up to the fault."""
        await self.begin()
        await self.say(self.text[: self.at])

    async def after(self, reason: str = "stop") -> None:
        """Everything from the fault on."""
        await self.say(self.text[self.at :])
        await self.finish(reason)
        await self.usage()
        await self.done()
        await self.end()

    async def begin(self) -> None:
        """The head, and the chunk that names the role."""
        await self.head()
        await self.delta({"role": "assistant", "content": ""})

    async def say(self, text: str) -> None:
        """Text, a token at a time, at the script's pace."""
        for token in tokens(text):
            await asyncio.sleep(self.script.token_s if self._started else self.script.first_token_s)
            self._started = True
            await self.delta({"content": token})

    async def finish(self, reason: str = "stop") -> None:
        """The terminator."""
        await self.event(self.chunk({}, reason))

    async def usage(self) -> None:
        """The token counts, where they were asked for."""
        if self.request.wants_usage:
            await self.event({**self.chunk({}), "choices": [], "usage": self.counts()})

    async def done(self) -> None:
        """The word that follows a whole stream, and proves nothing."""
        await self.event("[DONE]")

    # -------------------------------------------------------------------------------------------------------- the parts

    async def head(self, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """The response's head, in the style's framing."""
        style = self.style
        extra = {"transfer-encoding": "chunked"} if style.framing == "chunked" else {"connection": "close"}
        if style.gzip:
            extra["content-encoding"] = "gzip"
        await self.peer.send(style.preface + head(status, style.content_type, {**extra, **(headers or {})}))
        if style.bom:
            await self.raw(b"\xef\xbb\xbf")

    async def delta(self, delta: Json, finish: str | None = None) -> None:
        """One chunk of the stream."""
        await self.event(self.chunk(delta, finish))

    async def event(self, payload: Json | str) -> None:
        """One server-sent event in the style."""
        style = self.style
        if not isinstance(payload, str) and style.decorate:
            payload = style.decorate(payload)
        data = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=style.ascii)
        lines = data.replace(', "', ',\n"').split("\n") if style.split_data else [data]
        text = style.before + "".join(f"{style.field}{line}\n" for line in lines) + "\n"
        await self.raw(text.replace("\n", style.eol).encode())

    async def raw(self, data: bytes) -> None:
        """Bytes of the body, in the style's framing."""
        style = self.style
        if style.gzip:
            data = self._squeeze.compress(data) + self._squeeze.flush(zlib.Z_SYNC_FLUSH)
        size = style.write_bytes or len(data)
        for start in range(0, len(data), size or 1):
            piece = data[start : start + size]
            await self.peer.send(chunked(piece, style.extension) if style.framing == "chunked" else piece)
            if style.write_bytes:
                await asyncio.sleep(0)

    async def end(self) -> None:
        """The body's end, as its framing tells it."""
        if self.style.gzip:
            await self.peer.send(chunked(self._squeeze.flush()))
        if self.style.framing == "chunked":
            await self.peer.send(b"0\r\n\r\n")
        else:
            self.peer.close()

    async def hold(self) -> None:
        """Say nothing more, and keep the connection until the client leaves."""
        await asyncio.Event().wait()

    # -------------------------------------------------------------------------------------------------------- the JSON

    def chunk(self, delta: Json, finish: str | None = None) -> Json:
        """A chunk of a stream."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._stamp("chat.completion.chunk"), "choices": [choice]}

    def document(self, reason: str = "stop", message: Json | None = None) -> Json:
        """A whole completion."""
        message = message or {"role": "assistant", "content": self.text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return {**self._stamp("chat.completion"), "choices": [choice], "usage": self.counts()}

    def counts(self) -> Json:
        """Token counts of the size that a provider would report."""
        asked = sum(len(tokens(str(message.get("content")))) for message in self.request.messages)
        said = len(tokens(self.text))
        return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}

    def _stamp(self, kind: str) -> Json:
        return {"id": f"chatcmpl-{id(self):x}", "object": kind, "created": self._created, "model": self.request.model}
