"""The watcher under a provider's SDK: an HTTP transport that judges streaming bodies while they pass.

It raises our own errors where the SDK would call half an answer a success, ends a stream once its terminator and usage
are in, and merges text that comes in bursts into one chunk about every 30 ms (the first at once), since the SDK spends
far more on a chunk than we do. Deadlines and caps are not here: the chain has them, for every provider.
"""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, cast

import httpx2

from yaoki.errors import ModelMalformedError
from yaoki.llm.failures import rename
from yaoki.llm.streams.chat_stream import ChatStream, Chunk
from yaoki.llm.streams.sse import MAX_EVENT_BYTES
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

COALESCE_S = 0.03
LINGER_S = 0.15
"""Seconds that usage may take to follow the terminator."""
DRAIN_S = 0.02
"""Seconds that a body may take to end after all of it was said, so that its connection can serve again."""
ERROR_BYTES = 65_536
"""What is read of the body of a refusal."""
_AHEAD = 256
"""Chunks that are read before the SDK has taken the ones before: whoever sends without end must not fill the memory."""
_OK = 200
_DONE = b"data: [DONE]\n\n"
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_UNMERGED = ("<think>", "</think>")


class Lingering:
    """How long one stream is still read: without end before the terminator, and `linger_s` in all after it."""

    __slots__ = ("_clock", "_linger_s", "_until")

    def __init__(self, clock: Clock = SYSTEM_CLOCK, *, linger_s: float = LINGER_S) -> None:
        self._clock = clock
        self._linger_s = linger_s
        self._until: float | None = None

    def rest_s(self, *, finished: bool) -> float | None:
        """Seconds that the next piece may take; counting begins with the first call that says `finished`."""
        if not finished:
            self._until = None
            return None
        now = self._clock.monotonic()
        self._until = self._until or now + self._linger_s
        return max(0.0, self._until - now)


class PlainTransport(httpx2.AsyncBaseTransport):
    """Wraps a transport and hands out the bodies of its answers unpacked.

    Args:
        inner: What really talks.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, and take the answer's body if it is a 200; else no more of it than says why.

        Compression is not asked for. What is compressed all the same is unpacked here, or left as it is if we cannot.
        """
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        unpack = unpacker(response.headers.get("content-encoding", "identity").casefold())
        if response.status_code == _OK and unpack is not None:
            response.stream = self._body(cast("httpx2.AsyncByteStream", response.stream), unpack)
            response.headers["content-type"] = "text/event-stream"
            response.headers.pop("content-encoding", None)
        return bounded(response)

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()

    def _body(self, inner: httpx2.AsyncByteStream, unpack: Callable[[bytes], bytes]) -> httpx2.AsyncByteStream:
        return _PlainStream(inner, unpack)


class WatchedTransport(PlainTransport):
    """The same for one provider that speaks OpenAI's chat completions, and its answers are watched."""

    def _body(self, inner: httpx2.AsyncByteStream, unpack: Callable[[bytes], bytes]) -> httpx2.AsyncByteStream:
        return _WatchedStream(inner, unpack)


class _PlainStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, unpack: Callable[[bytes], bytes]) -> None:
        self._inner = inner
        self._unpack = unpack

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for raw in self._inner:
            yield self._unpack(raw)

    async def aclose(self) -> None:
        """Let the connection go."""
        await self._inner.aclose()


class _WatchedStream(httpx2.AsyncByteStream):
    """Reads ahead in a task of its own, so that a pause after a burst never delays what has come."""

    def __init__(self, inner: httpx2.AsyncByteStream, unpack: Callable[[bytes], bytes]) -> None:
        self._inner = inner
        self._unpack = unpack
        self._chat = ChatStream()
        self._chunks: list[Chunk] = []
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._pump is not None:
            return  # the SDK looks for a rest after the end; there is none
        pump = self._pump = asyncio.create_task(self._read())
        while await self._something(pump):
            chunks, self._chunks = self._chunks, []
            self._taken.set()
            yield b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in _merge(chunks))
            if not (pump.done() or self._chat.complete):
                await asyncio.sleep(COALESCE_S)
        if not self._chat.finished and not pump.cancelled():
            pump.result()
        yield _DONE

    async def aclose(self) -> None:
        """Stop reading and let the connection go; a body that is at its end anyway is read to it first."""
        pump = self._pump
        if pump is not None and not pump.done():
            if self._chat.complete:
                await asyncio.wait({pump}, timeout=DRAIN_S)
            pump.cancel()
            await asyncio.wait({pump})
        if pump is not None and not pump.cancelled():
            pump.exception()  # seen: it was raised to the reader, or nobody reads any more
        await self._inner.aclose()

    async def _something(self, pump: asyncio.Task[None]) -> bool:
        """Wait until there are chunks to hand out; False if there will be no more."""
        while not self._chunks and not pump.done() and not self._chat.complete:
            self._arrived.clear()
            try:
                async with asyncio.timeout(LINGER_S if self._chat.finished else None):
                    await self._arrived.wait()
            except TimeoutError:
                break  # what came in the same moment counts: the loop may have been late itself
        return bool(self._chunks)

    async def _read(self) -> None:
        try:
            async for raw in self._inner:
                if not self._chat.complete:
                    self._take(self._chat.feed(self._unpack(raw)))
                if self._chat.fault is not None:
                    raise self._chat.fault
                while len(self._chunks) > _AHEAD:
                    self._taken.clear()
                    await self._taken.wait()
            self._take(self._chat.close())
            if self._chat.fault is not None:
                raise self._chat.fault
        except (httpx2.HTTPError, OSError, zlib.error) as error:
            if not self._chat.finished:  # after the terminator nothing is a fault
                raise rename(error) or ModelMalformedError("The answer cannot be read.", fault="unreadable") from error
        finally:
            self._arrived.set()

    def _take(self, chunks: list[Chunk]) -> None:
        if chunks or self._chat.complete:
            self._chunks += chunks
            self._arrived.set()


class _Refusal(httpx2.AsyncByteStream):
    """The beginning of a body, as far as it comes in `LINGER_S`."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        lingering, left, body = Lingering(), ERROR_BYTES, aiter(self._inner)
        with suppress(TimeoutError, httpx2.HTTPError, OSError):
            while left > 0:
                async with asyncio.timeout(lingering.rest_s(finished=True)):
                    raw = await anext(body, b"")
                if not raw:
                    return
                yield raw[:left]
                left -= len(raw)

    async def aclose(self) -> None:
        """Let the connection go."""
        await self._inner.aclose()


def bounded(response: httpx2.Response) -> httpx2.Response:
    """The same, but a refusal's body ends where it has said why: an SDK reads it to its end, if it has one."""
    if response.status_code != _OK:
        response.stream = _Refusal(cast("httpx2.AsyncByteStream", response.stream))
    return response


def unpacker(encoding: str) -> Callable[[bytes], bytes] | None:
    """What unpacks one body of this content encoding, piece by piece; None if we cannot.

    It raises `zlib.error` where the body is damaged, and `ModelMalformedError` where it is packed too tightly.
    """
    if encoding in ("identity", ""):
        return bytes
    if encoding not in ("gzip", "deflate"):
        return None
    packed = zlib.decompressobj(_GZIP_OR_ZLIB)

    def unpack(raw: bytes) -> bytes:
        plain = packed.decompress(raw, MAX_EVENT_BYTES)
        if packed.unconsumed_tail:
            raise ModelMalformedError("The answer is packed too tightly to be one.", fault="oversized_event")
        return plain

    return unpack


def _plain_text(chunk: Chunk) -> str | None:
    """The text of a chunk that carries nothing else; None if it must pass as it is."""
    if not chunk["choices"] or chunk.get("usage"):
        return None
    choice = cast("dict[str, Any]", chunk["choices"][0])
    delta = cast("dict[str, Any]", choice.get("delta") or {})
    content = delta.get("content")
    if choice.get("finish_reason") or choice.get("logprobs") or not isinstance(content, str):
        return None
    if content.strip() in _UNMERGED or any(value for key, value in delta.items() if key not in ("content", "role")):
        return None
    return content


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
