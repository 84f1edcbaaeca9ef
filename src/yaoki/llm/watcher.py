"""The watcher under a provider's SDK: an HTTP transport that judges streaming bodies while they pass.

It raises our own errors where the SDK would call half an answer a success, ends a stream once its terminator and usage
are in, caps what will not end, and merges text that comes in bursts into one chunk about every 30 ms (the first at
once), since the SDK spends far more on a chunk than we do. Deadlines are not here: the chain has them, for all.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx2

from yaoki.errors import ModelMalformedError, ModelTruncatedError
from yaoki.llm.chat_stream import ChatStream, Chunk
from yaoki.llm.failures import rename

COALESCE_S = 0.03
LINGER_S = 0.15
"""How long usage may take to follow the terminator."""


class WatchedTransport(httpx2.AsyncBaseTransport):
    """Wraps a transport for one provider that speaks OpenAI's chat completions.

    Args:
        inner: What really talks.
        max_tokens: Chunks of text after which a stream is ended with `length`.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, max_tokens: int) -> None:
        self._inner = inner
        self._max_tokens = max_tokens
        self._origin: tuple[str, str, int | None] | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, and watch the answer if it is a 200."""
        origin = (request.url.scheme, request.url.host, request.url.port)
        self._origin = self._origin or origin
        if origin != self._origin:
            raise ModelMalformedError("The provider redirects to another host.", fault="redirect")
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        encoding = response.headers.get("content-encoding", "identity")
        if response.status_code == httpx2.codes.OK and encoding == "identity":
            stream = cast("httpx2.AsyncByteStream", response.stream)
            response.stream = _WatchedStream(stream, ChatStream(self._max_tokens))
            response.headers["content-type"] = "text/event-stream"
        return response

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()


class _WatchedStream(httpx2.AsyncByteStream):
    """Reads ahead in a task of its own, so that a pause after a burst never delays what has come."""

    def __init__(self, inner: httpx2.AsyncByteStream, chat: ChatStream) -> None:
        self._inner = inner
        self._chat = chat
        self._chunks: list[Chunk] = []
        self._arrived = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._pump = asyncio.create_task(self._read())
        try:
            while True:
                waiter = self._arrived.wait()
                if self._chat.finished and not self._chat.complete:
                    try:
                        await asyncio.wait_for(waiter, LINGER_S)
                    except TimeoutError:
                        break
                else:
                    await waiter
                self._arrived.clear()
                ended = self._pump.done()
                for chunk in _merge(self._take()):
                    yield b"data: " + json.dumps(chunk).encode() + b"\n\n"
                if ended or self._chat.complete:
                    break
                await asyncio.sleep(COALESCE_S)
            if self._pump.done():
                self._raise_fault(self._pump)
        finally:
            await self._stop()
        yield b"data: [DONE]\n\n"

    async def aclose(self) -> None:
        """Stop reading and let the connection go."""
        await self._stop()
        await self._inner.aclose()

    def _take(self) -> list[Chunk]:
        chunks, self._chunks = self._chunks, []
        return chunks

    async def _read(self) -> None:
        try:
            async for raw in self._inner:
                chunks = self._chat.feed(raw)
                if chunks:
                    self._chunks += chunks
                    self._arrived.set()
                if self._chat.complete:
                    return
            self._chunks += self._chat.close()
        finally:
            self._arrived.set()

    def _raise_fault(self, pump: asyncio.Task[None]) -> None:
        """Raise what ended the reading, unless the terminator had been seen: after it nothing is a fault."""
        if self._chat.finished or pump.cancelled():
            return
        error = pump.exception()
        if error is not None:
            raise rename(error) or error
        raise ModelTruncatedError("The stream ended without a finish reason.", fault="cut")

    async def _stop(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait({self._pump})
            if not self._pump.cancelled():
                self._pump.exception()  # seen: it was raised to the reader, or came after the terminator


def _plain_text(chunk: Chunk) -> str | None:
    """The text of a chunk that carries nothing else."""
    choices = cast("list[dict[str, Any]]", chunk.get("choices") or [])
    if len(choices) != 1 or chunk.get("usage") or choices[0].get("finish_reason") or choices[0].get("logprobs"):
        return None
    delta = cast("dict[str, Any]", choices[0].get("delta") or {})
    if any(value for key, value in delta.items() if key not in ("content", "role")):
        return None
    content = delta.get("content")
    return content if isinstance(content, str) else None


def _merge(chunks: list[Chunk]) -> list[Chunk]:
    """The same chunks with neighbours of plain text made one."""
    merged: list[Chunk] = []
    pieces: list[str] = []
    for chunk in chunks:
        text = _plain_text(chunk)
        if text is None:
            merged.append(chunk)
            pieces = []
        elif pieces:
            pieces.append(text)
            merged[-1]["choices"][0]["delta"]["content"] = "".join(pieces)
        else:
            pieces = [text]
            merged.append(chunk)
    return merged
