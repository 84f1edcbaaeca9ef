"""An answer that is a stream of server-sent events."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from yaoki.api.feed import Feed
from yaoki.api.frames import Body
from yaoki.api.services import Services
from yaoki.api.tellings import Told
from yaoki.api.wire import Wire, send_patiently, wire_of
from yaoki.errors import CommunicationSlowConsumerError

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_PIECE_BYTES = 65_536
_ALIVE = b": nothing yet\n\n"


class EventStream(Response):
    """Sends what a feed tells, until that ends, the client leaves, or it stops reading.

    Nothing is queued: the feed is asked for more when the last piece was taken. A client that takes nothing for
    `send_timeout_s` seconds is cut off, so that it sees a broken stream and resumes. An error breaks the stream too:
    only an end that was told ends it well.

    Args:
        opening: Opens the feed, once there is a place for another stream. What it raises is the answer instead.
        one_run: The stream is one run's. If it has to end before the run does, it breaks: there are clients that take
            every proper end for the end of the run.
    """

    def __init__(
        self,
        services: Services,
        owner: str,
        opening: Callable[[], Awaitable[Feed]],
        *,
        one_run: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(headers={**_HEADERS, **(headers or {})}, media_type="text/event-stream")
        del self.headers["content-length"]
        self._services = services
        self._owner = owner
        self._opening = opening
        self._one_run = one_run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream.

        Raises:
            ResourceOverloadedError: There is no place for another stream.
        """
        with self._services.admission.stream("sse", self._owner):
            feed = await self._opening()
            wire = wire_of(scope)
            sending = asyncio.create_task(self._send_all(feed, wire, send))
            leaving = asyncio.create_task(_left(receive))
            try:
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sending.cancel()
                leaving.cancel()
                await asyncio.wait({sending, leaving})
            if sending.cancelled():
                return
            if isinstance(sending.exception(), CommunicationSlowConsumerError):
                wire.abort()  # closing it would wait for a reader that does not read
                await _left(receive)
            elif not sending.result():
                wire.close()
                await _left(receive)

    async def _send_all(self, feed: Feed, wire: Wire, send: Send) -> bool:
        """Send everything; whether it came to a proper end."""

        async def patiently(message: dict[str, Any]) -> None:
            await send_patiently(send, message, wire, self._services.policy.send_timeout_s)

        await patiently({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(feed.batches()) as batches:
            async for batch in batches:
                for piece in _pieces(batch):
                    await patiently({"type": "http.response.body", "body": piece, "more_body": True})
        if feed.farewell is not None:
            last = encode_event(feed.farewell.body)
            await patiently({"type": "http.response.body", "body": last, "more_body": True})
        if feed.farewell is not None and self._one_run:
            return False
        await patiently({"type": "http.response.body", "body": b"", "more_body": False})
        return True


def encode_event(body: Body, event_id: object = None) -> bytes:
    """One frame as the bytes of a server-sent event, with its id if it has one."""
    head = "" if event_id is None else f"id: {event_id}\n"
    return f"{head}data: {_JSON.encode(body)}\n\n".encode()


def _pieces(batch: list[Told]) -> Iterable[bytes]:
    """The batch as bytes, in pieces of bounded size; a comment if there is nothing to tell."""
    buffer = bytearray()
    for event_id, body in batch:
        buffer += encode_event(body, event_id)
        while len(buffer) >= _PIECE_BYTES:
            yield bytes(buffer[:_PIECE_BYTES])
            del buffer[:_PIECE_BYTES]
    if buffer or not batch:
        yield bytes(buffer) or _ALIVE


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
