"""The watcher under Anthropic's SDK: an HTTP transport that judges streaming bodies while they pass, unchanged.

event                          means
message_delta, a stop_reason   the terminator: after it nothing is a fault
message_stop                   nothing more is worth waiting for
error                          the provider's error, under its own name
the body's end before          the answer was cut
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx2

from yaoki.errors import ModelMalformedError, ModelTruncatedError
from yaoki.llm.failures import in_band_error, rename
from yaoki.llm.sse import SseParser
from yaoki.llm.watcher import Lingering

_OK = 200


class AnthropicEvents:
    """Follows one response body. Pure.

    Attributes:
        finished: A stop reason was seen.
        complete: The message has ended.
    """

    def __init__(self) -> None:
        self.finished = False
        self.complete = False
        self._parser = SseParser()

    def feed(self, raw: bytes) -> None:
        """Judge the events that `raw` completes.

        Raises:
            ModelInferenceError: An error inside the stream, or something that is not the protocol.
        """
        for data in self._parser.feed(raw):
            self._take(data)
        if self._parser.fault is not None and not self.finished:
            raise self._parser.fault

    def close(self) -> None:
        """The body ended.

        Raises:
            ModelTruncatedError: Without a terminator.
            ModelMalformedError: What came was no answer at all.
        """
        for data in self._parser.close():
            self._take(data)
        if self.finished:
            return
        if self._parser.strange:
            raise ModelMalformedError("The provider answered with text that is no event stream.", fault="not_events")
        raise ModelTruncatedError("The stream ended without a stop reason.", fault="cut")

    def _take(self, data: str) -> None:
        if self.finished:
            self.complete = self.complete or '"message_stop"' in data
            return
        try:
            event: Any = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ModelMalformedError("The provider sent an event that is not JSON.", fault="bad_json") from error
        match event:
            case {"type": "error", **rest}:
                raise in_band_error(rest.get("error"))
            case {"type": "message_delta", "delta": {"stop_reason": str()}}:
                self.finished = True
            case {"type": "message_stop"}:
                raise ModelTruncatedError("The message ended without a stop reason.", fault="cut_done")
            case _:
                pass


class WatchedAnthropicTransport(httpx2.AsyncBaseTransport):
    """Wraps the transport of a client that asks for streams.

    Args:
        inner: What really talks.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, and watch the answer if it is a 200. Compression is not asked for; what is compressed is refused."""
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if response.status_code == _OK:
            if response.headers.get("content-encoding", "identity") != "identity":
                await response.aclose()
                raise ModelMalformedError("The answer is packed, although nobody asked for it.", fault="packed")
            response.stream = _WatchedStream(cast("httpx2.AsyncByteStream", response.stream))
        return response

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()


class _WatchedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        events, lingering = AnthropicEvents(), Lingering()
        body: Any = aiter(self._inner)
        try:
            while not events.complete:
                async with asyncio.timeout(lingering.rest_s(finished=events.finished)):
                    raw: bytes | None = await anext(body, None)
                if raw is None:
                    events.close()
                    return
                events.feed(raw)
                yield raw
        except (httpx2.HTTPError, OSError, TimeoutError) as error:
            if not events.finished:  # after the terminator nothing is a fault
                raise rename(error) or ModelMalformedError("The answer cannot be read.", fault="unreadable") from error

    async def aclose(self) -> None:
        """Let the connection go."""
        await self._inner.aclose()
