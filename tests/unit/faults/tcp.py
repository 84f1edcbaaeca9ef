"""Both ends of a connection through a proxy, in the hands of a test: bytes, and how it ended."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

WITHIN_S = 5.0


class Peer:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def says(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hears(self, size: int) -> bytes:
        """Exactly so many bytes."""
        async with asyncio.timeout(WITHIN_S):
            return await self.reader.readexactly(size)

    async def hears_until_end(
        self, *, quiet_s: float | None = None
    ) -> tuple[bytes, Literal["closed", "reset", "silent"]]:
        """Everything up to the end of the connection, or until nothing has come for `quiet_s`; and how it ended."""
        heard = b""
        async with asyncio.timeout(WITHIN_S):
            while True:
                try:
                    async with asyncio.timeout(quiet_s):
                        data = await self.reader.read(65_536)
                except ConnectionError:
                    return heard, "reset"
                except TimeoutError:
                    if quiet_s is None:
                        raise
                    return heard, "silent"
                if not data:
                    return heard, "closed"
                heard += data

    def leaves(self) -> None:
        self.writer.close()

    def leaves_with_a_reset(self) -> None:
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()


@dataclass(slots=True)
class Service:
    """A TCP service whose connections the test itself answers."""

    address: str
    arrived: "asyncio.Queue[Peer]"

    async def peer(self) -> Peer:
        """The next connection that reached the service."""
        async with asyncio.timeout(WITHIN_S):
            return await self.arrived.get()


@asynccontextmanager
async def service() -> AsyncGenerator[Service, None]:
    arrived: asyncio.Queue[Peer] = asyncio.Queue()
    peers: list[Peer] = []

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(Peer(reader, writer))
        arrived.put_nowait(peers[-1])

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield Service(f"{host}:{port}", arrived)
    finally:
        server.close()
        for peer in peers:
            peer.writer.transport.abort()


async def call(address: str) -> Peer:
    """Connect."""
    host, _, port = address.rpartition(":")
    return Peer(*await asyncio.open_connection(host, int(port)))
