"""A port of its own on loopback that can be told to listen or to refuse, and knows every connection it has."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import cast

from yaoki.faults.wire import Line, Request

HOST = "127.0.0.1"
Route = Callable[[Line, Request], Awaitable[None]]


class Port:
    """Hands whole requests to `route`, one at a time per connection.

    Args:
        route: Answers one request.
        number: 0 picks a free port when it is first held; it is kept from then on.
    """

    def __init__(self, route: Route, number: int = 0) -> None:
        self.number = number
        self._route = route
        self._held: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._lines: dict[asyncio.Task[None], Line] = {}

    @property
    def listening(self) -> bool:
        """Connections are taken; otherwise they are refused, or the port is not held at all."""
        return self._server is not None

    async def listen(self) -> None:
        """Take connections from now on."""
        if self._server is None:
            self._hold()
            self._server = await asyncio.start_server(self._accepted, sock=self._held)

    async def refuse(self) -> None:
        """Drop every connection and refuse new ones, keeping the port from everybody else."""
        await self.aclose()
        self._hold()

    async def aclose(self) -> None:
        """Drop every connection and let the port go."""
        server, held = self._server, self._held
        self._server = self._held = None
        if server is not None:
            server.close()
        lines = dict(self._lines)
        for task, line in lines.items():
            line.reset()
            task.cancel()
        if lines:
            await asyncio.wait(lines)
        if server is not None:
            await server.wait_closed()
        if held is not None:
            held.close()

    def _hold(self) -> None:
        """Bind without listening."""
        if self._held is None:
            self._held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._held.bind((HOST, self.number))
            self.number = self._held.getsockname()[1]

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task, line = cast("asyncio.Task[None]", asyncio.current_task()), Line(reader, writer)
        self._lines[task] = line
        try:
            while not line.closed and (request := await line.read_request()) is not None:
                await self._route(line, request)
        except (ConnectionError, asyncio.CancelledError):
            return  # the client left, or this port is closing: either way the connection is over
        finally:
            del self._lines[task]
            line.close()
