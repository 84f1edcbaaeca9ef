"""An HTTP listener on loopback that can be told to listen or to refuse, and knows every connection it has."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from yaoki.faults.listener import HOST, Listener
from yaoki.faults.raw_http import Connection, Request

__all__ = ["HOST", "HttpListener", "Route"]

Route = Callable[[Connection, Request], Awaitable[None]]


class HttpListener:
    """Hands whole requests to `route`, one at a time per connection.

    Args:
        route: Answers one request.
        number: 0 picks a free port when it is first held; it is kept from then on.
    """

    def __init__(self, route: Route, number: int = 0) -> None:
        self._route = route
        self._listener = Listener(self._accepted, number)
        self._connections: dict[asyncio.Task[None], Connection] = {}

    @property
    def number(self) -> int:
        """The port; 0 until it is first held."""
        return self._listener.number

    @property
    def listening(self) -> bool:
        """Connections are taken; otherwise they are refused, or the port is not held at all."""
        return self._listener.open

    async def listen(self) -> None:
        """Take connections from now on."""
        await self._listener.listen()

    async def refuse(self) -> None:
        """Drop every connection and refuse new ones, keeping the port from everybody else."""
        self._listener.refuse()
        await self._drop()

    async def aclose(self) -> None:
        """Drop every connection and let the port go."""
        self._listener.close()
        await self._drop()

    async def _drop(self) -> None:
        connections = dict(self._connections)
        for task, connection in connections.items():
            connection.reset()
            task.cancel()
        if connections:
            await asyncio.wait(connections)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        connection = Connection(reader, writer)
        self._connections[task] = connection
        try:
            while not connection.closed and (request := await connection.read_request()) is not None:
                await self._route(connection, request)
        except (ConnectionError, asyncio.CancelledError):
            return  # the client left, or this port is closing: either way the connection is over
        finally:
            del self._connections[task]
            connection.close()
