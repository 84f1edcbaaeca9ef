"""Clients by the hundred, and clients that vanish: as little code between a test and its sockets as will do."""

import asyncio
import ctypes
import json
import socket
from dataclasses import dataclass

from tests.faults.harness import Server
from tests.unit.api.links import Peer, dial, narrow

WAIT_S = 25.0
_SO_ATTACH_FILTER = 26


@dataclass(slots=True)
class Tail:
    """An open event stream, or its refusal.

    Attributes:
        retry_after_s: When a refused client is told to come back; None if it was not refused.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    retry_after_s: float | None = None

    async def frame(self) -> bytes:
        """The next frame, as it is on the wire."""
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readuntil(b"\n\n")

    def close(self) -> None:
        """Go away without a word."""
        self.writer.transport.abort()


async def tail(server: Server, session: str, after: str = "", *, limit: int = 65_536) -> Tail:
    """Open an event stream.

    Args:
        limit: Bytes that are read ahead of the test; few make a narrow connection.
    """
    if limit < 65_536:
        reader, writer = await narrow(server.port, limit)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 20)
    query = f"?after={after}" if after else ""
    writer.write(f"GET /ai/sessions/{session}/events{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    opened = Tail(reader, writer)
    async with asyncio.timeout(WAIT_S):
        head = await reader.readuntil(b"\r\n\r\n")
        opened.status = int(head.split()[1])
        if opened.status == 503:
            length = next(int(line.split()[1]) for line in head.splitlines() if line.startswith(b"content-length"))
            opened.retry_after_s = json.loads(await reader.readexactly(length))["retry_after_s"]
    return opened


async def enter(server: Server, session: str, after: str, number: int) -> tuple[Tail | Peer, float | None]:
    """One of a crowd comes back, by link or by stream; it is served, or told after how many seconds to try again."""
    if number % 2:
        opened = await tail(server, session, after)
        if opened.retry_after_s is None:
            await opened.frame()
        return opened, opened.retry_after_s
    peer = await dial(server.port, f"/ai/sessions/{session}/ws?after={after}")
    while not peer.frames:
        assert await peer.pump(), "closed without a word"
    problem = peer.frames[0].get("problem")
    return peer, problem["retry_after_s"] if problem else None


async def listen(peer: Peer) -> None:
    """Take whatever comes, until the link ends."""
    while await peer.pump():
        peer.frames.clear()


def port_of(client: Tail | Peer) -> int:
    """The port that a client speaks from."""
    return client.writer.get_extra_info("sockname")[1]


def held(server: Server) -> set[int]:
    """The ports of the clients that a server holds a connection to."""
    return {link.raddr.port for link in server.process.net_connections("tcp") if link.status == "ESTABLISHED"}


def vanish(client: Tail | Peer) -> None:
    """Lose every packet from now on, as with the cable pulled: no answer, no goodbye, not even an ACK."""
    nothing = (ctypes.c_uint16 * 4)(0x06, 0, 0, 0)  # one instruction for the kernel's packet filter: return 0
    program = (ctypes.c_uint64 * 2)(1, ctypes.addressof(nothing))
    connection: socket.socket = client.writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))
