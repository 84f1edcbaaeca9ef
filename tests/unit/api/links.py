"""A WebSocket client made of wsproto and a socket: careful where a test wants it, rude where it does not."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

WAIT_S = 20.0
Body = dict[str, Any]


@dataclass
class Peer:
    """One link, as its client sees it.

    Attributes:
        status: What the handshake was answered with; 101 if it was accepted.
        rejection: The body of a refused handshake.
        code: The close code, once the other side has closed.
        pings: How often the server has asked whether we live.
        polite: Whether pings are answered, and closes are.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    rejection: bytes = b""
    code: int | None = None
    reason: str = ""
    pings: int = 0
    polite: bool = True
    frames: list[Body] = field(default_factory=list[Body])
    _ws: WSConnection = field(default_factory=lambda: WSConnection(ConnectionType.CLIENT))
    _text: str = ""

    async def say(self, frame: object) -> None:
        """Send a frame: text or bytes as they are, anything else as JSON."""
        data = frame if isinstance(frame, str | bytes) else json.dumps(frame)
        self.writer.write(self._ws.send(Message(data=data)))
        await self.writer.drain()

    async def next(self) -> Body | None:
        """The next frame that is no heartbeat; None when the link has ended."""
        async with asyncio.timeout(WAIT_S):
            while True:
                while self.frames:
                    frame = self.frames.pop(0)
                    if (frame.get("event") or {}).get("name") != "yaoki.heartbeat":
                        return frame
                if not await self.pump():
                    return None

    async def take(self, count: int) -> list[Body]:
        """The next `count` frames."""
        taken = [await self.next() for _ in range(count)]
        assert None not in taken, f"the link ended with {self.code}: {taken}"
        return [frame for frame in taken if frame]

    async def rest(self) -> list[Body]:
        """Every frame up to the end."""
        taken: list[Body] = []
        while (frame := await self.next()) is not None:
            taken.append(frame)
        return taken

    async def pump(self) -> bool:
        """Read once; whether the link still stands."""
        try:
            data = await self.reader.read(65_536)
        except ConnectionResetError:
            data = b""
        if not data:
            return False
        self._ws.receive_data(data)
        for event in self._ws.events():
            self._handle(event)
        return True

    def _handle(self, event: object) -> None:
        match event:
            case TextMessage():
                self._text += event.data
                if event.message_finished:
                    self.frames.append(json.loads(self._text))
                    self._text = ""
            case Ping():
                self.pings += 1
                self._reply(event)
            case CloseConnection():
                self.code, self.reason = int(event.code), event.reason or ""
                self._reply(event)
            case AcceptConnection():
                self.status = 101
            case RejectConnection():
                self.status = event.status_code
            case RejectData():
                self.rejection += event.data
            case _:
                raise AssertionError(f"frames are text, but here is {event!r}")

    def _reply(self, event: Ping | CloseConnection) -> None:
        if self.polite and not self.writer.is_closing():
            self.writer.write(self._ws.send(event.response()))

    async def shake(self, host: str, path: str, headers: Mapping[str, str]) -> None:
        """The handshake."""
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.writer.write(self._ws.send(Request(host=host, target=path, extra_headers=extra)))
        async with asyncio.timeout(WAIT_S):
            while not self.status:
                assert await self.pump(), "closed during the handshake"
            while self.status != 101 and await self.pump():
                pass

    def close(self) -> None:
        """Go away without a word."""
        self.writer.transport.abort()


async def narrow(port: int, limit: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that holds little: what is not read soon stays with the server."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return await asyncio.open_connection(sock=connection, limit=limit)


async def dial(port: int, path: str, *, host: str = "127.0.0.1", limit: int = 65_536, **headers: str) -> Peer:
    """Open a link; it may have been refused.

    Args:
        limit: Bytes that are read ahead of the test; few make a narrow connection.
    """
    peer = Peer(*await narrow(port, limit) if limit < 65_536 else await asyncio.open_connection("127.0.0.1", port))
    await peer.shake(host, path, {name.replace("_", "-"): value for name, value in headers.items()})
    return peer


@asynccontextmanager
async def linked(port: int, session: str, query: str = "", **headers: str) -> AsyncIterator[Peer]:
    """A link to a session, closed at the end."""
    peer = await dial(port, f"/ai/sessions/{session}/ws{query}", **headers)
    try:
        yield peer
    finally:
        peer.close()
