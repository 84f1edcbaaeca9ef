"""Small pieces that come quickly go out together: a write costs more than all that leads to it."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

_MANY = 64


class Bundle:
    """Writes a piece at once if none was written for a while; what comes within `every_s` after it goes out as one.

    Args:
        write: Writes bytes; never runs twice at a time. It must not raise, since at times nobody awaits it.
        every_s: Seconds that a piece may wait.
    """

    __slots__ = ("_every_s", "_pieces", "_timer", "_write", "_writing")

    def __init__(self, write: Callable[[bytes], Awaitable[None]], every_s: float) -> None:
        self._write = write
        self._every_s = every_s
        self._pieces: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})

    async def put(self, piece: bytes) -> None:
        """Write `piece`, now or soon; waits for a write that takes long."""
        if self._writing is not None and len(self._pieces) > _MANY:
            await asyncio.wait({self._writing})
        self._pieces.append(piece)
        if self._timer is None and self._writing is None:
            await self._flush()

    async def rest(self) -> bytes:
        """What was put and is not written; nothing is written from here on."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            await asyncio.wait({self._writing})
        rest, self._pieces = b"".join(self._pieces), []
        return rest

    async def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._due)
        await self._write(b"".join(pieces))

    def _due(self) -> None:
        self._timer = None
        if self._pieces and self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._flush())
            self._writing.add_done_callback(self._written)

    def _written(self, _: object) -> None:
        self._writing = None
