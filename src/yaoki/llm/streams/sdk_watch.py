"""The watcher under the SDKs of providers that do not speak OpenAI: an HTTP transport that judges streaming bodies.

An SDK gets the events that were judged and nothing else: no comments, which not every SDK knows, and nothing after the
end, so that a connection that stays open costs nothing. A fault is raised here, under its own kind, where an SDK would
skip it or call half an answer a success.
"""

import asyncio
import json
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any, cast

import httpx2

from yaoki.errors import AIOrchestrationError, ModelMalformedError, ModelTruncatedError
from yaoki.llm.failures import rename
from yaoki.llm.streams.dialects import Judge, Mark
from yaoki.llm.streams.sse import SseParser
from yaoki.llm.streams.watcher import LINGER_S, Lingering, bounded, unpacker

_OK = 200
_DONE = "[DONE]"


class WatchedEvents:
    """Follows one response body. Pure.

    Args:
        judge: Knows the provider's events.

    Attributes:
        finished: The terminator was seen, and the answer has not gone on since.
        terminators: How many were seen.
        complete: Nothing more is worth waiting for.
    """

    def __init__(self, judge: Judge) -> None:
        self.finished = False
        self.terminators = 0
        self.complete = False
        self._judge = judge
        self._parser = SseParser()

    def feed(self, raw: bytes) -> Iterator[bytes]:
        """The events that `raw` completes, one by one.

        Raises:
            ModelInferenceError: An error inside the stream, or something that is not the protocol, after what came
                before it.
        """
        yield from self._events(self._parser.feed(raw))
        if self._parser.fault is not None and not self.finished:
            raise self._parser.fault

    def close(self) -> Iterator[bytes]:
        """The body ended: the event whose closing blank line never came, if it is whole.

        Raises:
            ModelTruncatedError: There was no terminator.
            ModelMalformedError: What came was no answer at all.
        """
        with suppress(ModelMalformedError):  # half an event
            yield from self._events(self._parser.close())
        if self.finished:
            return
        if self._parser.strange:
            raise ModelMalformedError("The provider answered with text that is no event stream.", fault="not_events")
        raise ModelTruncatedError("The stream ended without a finish reason.", fault="cut")

    def _events(self, found: list[str]) -> Iterator[bytes]:
        for data in found:
            if self.complete:
                return
            try:
                yield self._judged(data)
            except AIOrchestrationError:
                if not self.finished:
                    raise
                self.complete = True  # after the terminator nothing is a fault

    def _judged(self, data: str) -> bytes:
        event, mark = None, Mark.CLOSED
        if data.strip() != _DONE:
            event = _parsed(data)
            mark = self._judge(event)
        ends = mark in (Mark.FINISHED, Mark.LAST)
        self.terminators += ends
        self.finished = ends or (self.finished and mark is not Mark.MORE)
        self.complete = mark in (Mark.CLOSED, Mark.LAST)
        if self.complete and not self.finished:
            raise ModelTruncatedError("The message ended without a finish reason.", fault="cut_done")
        return _written(event, data)


@asynccontextmanager
async def bodies_closed() -> AsyncGenerator[None]:
    """A context that ends with every body that was opened in it closed.

    There are SDKs that leave the generators over a body suspended in a circle of references: the connection would stay
    open, and the provider would go on, until the collector finds them.
    """
    bodies: list[_WatchedStream] = []
    _opened.set(bodies)  # not reset: whoever leaves may do it in another task, and the next one sets its own
    try:
        yield
    finally:
        for body in bodies:
            await body.aclose()


class WatchedTransport(httpx2.AsyncBaseTransport):
    """Wraps the transport of a client that asks for streams.

    Args:
        inner: What really talks.
        judge: Knows the provider's events.
        linger_s: How long more may follow a terminator.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, judge: Judge, *, linger_s: float = LINGER_S) -> None:
        self._inner = inner
        self._judge = judge
        self._linger_s = linger_s

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, and watch the answer if it is a 200.

        Compression is not asked for. What is compressed all the same is unpacked here, or refused if we cannot.
        """
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if response.status_code == _OK:
            unpack = unpacker(response.headers.pop("content-encoding", "identity").casefold())
            if unpack is None:
                await response.aclose()
                raise ModelMalformedError("The answer is packed in a way that nobody asked for.", fault="packed")
            inner = cast("httpx2.AsyncByteStream", response.stream)
            response.stream = body = _WatchedStream(inner, unpack, self._judge, self._linger_s)
            if (opened := _opened.get()) is not None:
                opened.append(body)
            response.headers["content-type"] = "text/event-stream"
        return bounded(response)

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()


class _WatchedStream(httpx2.AsyncByteStream):
    def __init__(
        self, inner: httpx2.AsyncByteStream, unpack: Callable[[bytes], bytes], judge: Judge, linger_s: float
    ) -> None:
        self._inner = inner
        self._unpack = unpack
        self._judge = judge
        self._linger_s = linger_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        events, seen, lingering = WatchedEvents(self._judge), 0, Lingering(linger_s=self._linger_s)
        body: Any = aiter(self._inner)
        more = True
        try:
            while more and not events.complete:
                if seen != events.terminators:
                    seen, lingering = events.terminators, Lingering(linger_s=self._linger_s)
                async with asyncio.timeout(lingering.rest_s(finished=events.finished)):
                    raw: bytes | None = await anext(body, None)
                more = raw is not None
                for event in events.close() if raw is None else events.feed(self._unpack(raw)):
                    yield event
        except (httpx2.HTTPError, OSError, zlib.error) as error:
            if not events.finished:
                raise rename(error) or ModelMalformedError("The answer cannot be read.", fault="unreadable") from error

    async def aclose(self) -> None:
        """Let the connection go."""
        await self._inner.aclose()


_opened: ContextVar[list[_WatchedStream] | None] = ContextVar("opened", default=None)


def _parsed(data: str) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelMalformedError("The provider sent an event that is not JSON.", fault="bad_json") from error


def _written(event: object, data: str) -> bytes:
    """The event on the wire again, under the name that it has in its data."""
    name = cast("dict[str, Any]", event).get("type") if isinstance(event, dict) else None
    lines = [f"event: {name}"] if isinstance(name, str) else []
    return "\n".join([*lines, *(f"data: {line}" for line in data.split("\n")), "", ""]).encode()
