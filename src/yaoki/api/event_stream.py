"""An answer that is a stream of server-sent events."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from yaoki.api.server import ABORT
from yaoki.errors import CommunicationSlowConsumerError

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


def encode_event(body: dict[str, Any], event_id: object = None) -> bytes:
    """One frame as the bytes of a server-sent event, with its id if it has one."""
    head = "" if event_id is None else f"id: {event_id}\n"
    return f"{head}data: {_JSON.encode(body)}\n\n".encode()


class EventStream(Response):
    """Sends chunks as they come, until they end, the client leaves, or it stops reading.

    Nothing is queued: the next chunk is asked for when the last one was taken. A client that leaves its stream unread
    for `send_timeout_s` seconds is cut off, so that it sees a broken stream and resumes. An error in the chunks breaks
    the stream too: only their end ends it well.
    """

    def __init__(self, chunks: AsyncGenerator[bytes], send_timeout_s: float) -> None:
        super().__init__(headers=_HEADERS, media_type="text/event-stream")
        del self.headers["content-length"]
        self._chunks = chunks
        self._send_timeout_s = send_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.wait({sending, leaving})
        if not sending.cancelled() and isinstance(sending.exception(), CommunicationSlowConsumerError):
            await _cut(scope, receive)
        elif not sending.cancelled():
            sending.result()

    async def _send_all(self, send: Send) -> None:
        await self._send(send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                await self._send(send, {"type": "http.response.body", "body": chunk, "more_body": True})
        await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await send(message)
        except TimeoutError:
            raise CommunicationSlowConsumerError("The client does not read its stream.") from None


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cut(scope: Scope, receive: Receive) -> None:
    """Break the connection: closing it would wait for a reader that does not read."""
    extension = scope.get("extensions", {}).get(ABORT)
    if extension is not None:
        extension["abort"]()
        await _left(receive)
