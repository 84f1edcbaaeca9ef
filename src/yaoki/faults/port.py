"""A port of its own on loopback that can be told to listen or to refuse, and knows every connection it has."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from yaoki.faults.door import HOST, Door
from yaoki.faults.wire import Line, Request

__all__ = ["HOST", "Port", "Route"]

Route = Callable[[Line, Request], Awaitable[None]]


class Port:
    """Hands whole requests to `route`, one at a time per connection.

    Args:
        route: Answers one request.
        number: 0 picks a free port when it is first held; it is kept from then on.
    """

    def __init__(self, route: Route, number: int = 0) -> None:
        self._route = route
        self._door = Door(self._accepted, number)
        self._lines: dict[asyncio.Task[None], Line] = {}

    @property
    def number(self) -> int:
        """The port; 0 until it is first held."""
        return self._door.number

    @property
    def listening(self) -> bool:
        """Connections are taken; otherwise they are refused, or the port is not held at all."""
        return self._door.open

    async def listen(self) -> None:
        """Take connections from now on."""
        await self._door.listen()

    async def refuse(self) -> None:
        """Drop every connection and refuse new ones, keeping the port from everybody else."""
        self._door.refuse()
        await self._drop()

    async def aclose(self) -> None:
        """Drop every connection and let the port go."""
        self._door.close()
        await self._drop()

    async def _drop(self) -> None:
        lines = dict(self._lines)
        for task, line in lines.items():
            line.reset()
            task.cancel()
        if lines:
            await asyncio.wait(lines)

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
