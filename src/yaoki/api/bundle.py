"""Small pieces that come quickly go out together: a write costs more than all that leads to it."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

_MANY = 64


class Bundle:
    """Writes a piece at once if none was written for a while; what comes within `every_s` after it goes out as one.

    Args:
        write: Writes bytes; never runs twice at a time. It must not raise, since at times nobody awaits it.
        every_s: Seconds that a piece may wait.
    """

    __slots__ = ("_clock", "_every_s", "_next", "_pieces", "_timer", "_write", "_writing")

    def __init__(
        self, write: Callable[[bytes], Awaitable[None]], every_s: float, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._clock = clock
        self._next = 0.0
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
        self._pieces.clear()
        if self._writing is not None:
            self._writing.cancel()
        await self._settle()

    async def put(self, piece: bytes) -> None:
        """Write `piece`, now or soon; waits for a write that takes long."""
        if self._writing is not None and len(self._pieces) > _MANY:
            await asyncio.wait({self._writing})
        self._pieces.append(piece)
        if self._timer is not None or self._writing is not None:
            return
        wait_s = self._next - self._clock.monotonic()
        if wait_s <= 0.0:
            await self._flush()
        else:
            self._wait(wait_s)

    async def rest(self) -> bytes:
        """What was put and is not written; nothing is written from here on."""
        await self._settle()
        rest, self._pieces = b"".join(self._pieces), []
        return rest

    async def _settle(self) -> None:
        """Let a write that is under way end, and begin no other."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self, wait_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._due)

    async def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        self._next = self._clock.monotonic() + self._every_s
        await self._write(b"".join(pieces))

    def _due(self) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().create_task(self._flush())
        self._writing.add_done_callback(self._written)

    def _written(self, _: object) -> None:
        self._writing = None
        if self._pieces:
            self._wait(max(0.0, self._next - self._clock.monotonic()))
