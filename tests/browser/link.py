"""The network between a page and its server, to be cut or to fall silent."""

import asyncio
from types import TracebackType
from typing import Self

_PIECE = 65_536


class Link:
    """Carries TCP connections to `port` from a port of its own, both on loopback."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._carriers: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.down()

    def cut(self) -> None:
        """Break every connection that exists; new ones are carried."""
        for writer in self._writers:
            writer.transport.abort()

    def fall_silent(self) -> None:
        """Keep every connection, and carry nothing any more."""
        self._open.clear()

    def speak(self) -> None:
        """Carry again, what was held back first."""
        self._open.set()

    async def down(self) -> None:
        """Break every connection and refuse new ones."""
        assert self._server is not None
        self._server.close()
        self.cut()
        for carrier in self._carriers:
            carrier.cancel()
        await asyncio.gather(*self._carriers, return_exceptions=True)

    async def up(self) -> None:
        """Listen again, on the same port."""
        await self.__aenter__()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carriers.add(task)
        ends = {writer}
        try:
            back, out = await asyncio.open_connection("127.0.0.1", self._target)
            ends.add(out)
            self._writers |= ends
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, out))
                group.create_task(self._pump(back, writer))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in ends:
                end.transport.abort()
            self._writers -= ends
            self._carriers.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one direction; its end is the end of both."""
        while piece := await reader.read(_PIECE):
            await self._open.wait()
            writer.write(piece)
            await writer.drain()
        raise ConnectionResetError
