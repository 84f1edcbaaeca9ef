"""A WebSocket on the wire: uvicorn's protocol on wsproto, with ends that reach the other side.

| the end | what the other side gets |
|---|---|
| a message over the limit | 1009 at once; what still comes is thrown away until it has heard |
| a reader that does not read | its last words and 1013, if it reads again within `LINGER_S` |
| no answer to a ping | nothing can reach it; the connection is dropped |
| the server stops | nothing from here: the application says it, with a place to come back to |
"""

import asyncio
import logging
from typing import Any

import wsproto.events
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from uvicorn.server import ServerState

from yaoki.api.wire import WIRE, Wire

LINGER_S = 10.0
"""Seconds that a connection is kept after its last word, for a reader that is slow to hear it."""

_HANDSHAKE_S = 2.0
_TOO_LARGE = 1009
_log = logging.getLogger("uvicorn.error.links")
_log.setLevel(logging.WARNING)  # below, uvicorn tells the whole address of a link, and that may hold a ticket


class LinkWire(Wire):
    """The connection of a WebSocket."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: "LinkProtocol") -> None:
        super().__init__(protocol.transport)
        self._protocol = protocol

    def dismiss(self, last_words: str, code: int) -> None:
        """Say something and close, without waiting for a reader that does not read; drop it after `LINGER_S`."""
        self._protocol.part(code, last_words=last_words)


class LinkProtocol(WSProtocol):
    """One WebSocket connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = _log
        self.close_timeout = _HANDSHAKE_S
        self._deaf = False
        self._unsent_at_ping = 0

    def part(self, code: int, *, last_words: str | None = None, reason: str = "") -> None:
        """Write the last frames behind whatever is unsent, and let go of the connection `LINGER_S` later at most."""
        if self.close_sent or self.transport.is_closing():
            return
        farewell = b"" if last_words is None else self.conn.send(wsproto.events.Message(data=last_words))
        farewell += self.conn.send(wsproto.events.CloseConnection(code=code, reason=reason))
        self.stop_keepalive()
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(farewell)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.abort)

    # ------------------------------------------------------------------------------------------------- uvicorn's hooks

    def handle_connect(self, event: wsproto.events.Request) -> None:
        """The handshake: the application is about to be asked."""
        super().handle_connect(event)
        self.scope["extensions"][WIRE] = LinkWire(self)  # type: ignore[index, assignment]

    def data_received(self, data: bytes) -> None:
        """Bytes have come; after an oversized message they are not even looked at."""
        if not self._deaf:
            super().data_received(data)

    def handle_message(self, event: wsproto.events.TextMessage | wsproto.events.BytesMessage) -> None:
        """A message, or a piece of one: refused as soon as it is too long, not when it is complete."""
        size = len(event.data.encode() if isinstance(event.data, str) else event.data)
        if self.buffer.length + size <= self.buffer.max_length:
            super().handle_message(event)
            return
        self.part(_TOO_LARGE, reason=f"A message may have {self.buffer.max_length} bytes.")
        # Closing now would reset the connection under a sender that is not done, and the reset would eat the reason.
        self._deaf = True
        self.transport.write_eof()

    def send_keepalive_ping(self) -> None:
        """Ask whether the other side is alive."""
        self._unsent_at_ping = self.transport.get_write_buffer_size()
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """No pong came. A ping that stands in line behind data which is being read does not count."""
        unsent = self.transport.get_write_buffer_size()
        if 0 < unsent < self._unsent_at_ping and self.ping_timeout is not None:
            self._unsent_at_ping = unsent
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        self.transport.abort()

    def shutdown(self) -> None:
        """The server stops. An open link is closed by the application, which says where to come back to."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()

    async def send(self, message: Any) -> None:
        """Send for the application.

        Raises:
            ClientDisconnected: The link is closed, or being closed.
        """
        await self.writable.wait()
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)
