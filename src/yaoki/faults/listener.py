"""A TCP listener on loopback: takes connections, or refuses them and keeps the port from everybody else."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

HOST = "127.0.0.1"
Accepted = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """Hands each accepted connection to `accepted`, in a task of its own.

    Args:
        number: The port; 0 picks a free one when it is first held. It is kept from then on.
        limit: Bytes that are read ahead of whoever reads a connection; the kernel holds back the rest.
    """

    def __init__(self, accepted: Accepted, number: int = 0, *, limit: int = 65_536) -> None:
        self.number = number
        self._accepted = accepted
        self._limit = limit
        self._held: socket.socket | None = None
        self._server: asyncio.Server | None = None

    @property
    def open(self) -> bool:
        """Connections are taken; otherwise they are refused, or the port is not held at all."""
        return self._server is not None

    async def listen(self) -> None:
        """Take connections from now on."""
        if self._server is None:
            self._hold()
            self._server = await asyncio.start_server(self._accepted, sock=self._held, limit=self._limit)

    def refuse(self) -> None:
        """Refuse connections from now on; those that were taken stay."""
        self.close()
        self._hold()

    def close(self) -> None:
        """Let the port go; connections that were taken stay."""
        if self._server is not None:
            self._server.close()
        if self._held is not None:
            self._held.close()
        self._server = self._held = None

    def _hold(self) -> None:
        """Bind without listening."""
        if self._held is None:
            self._held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._held.bind((HOST, self.number))
            self.number = self._held.getsockname()[1]
