"""A sign of life for a client that would else hear nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self


class Pulse:
    """Lets `beat` run whenever nothing happened from one tick to the next, as long as the context lasts.

    Args:
        every_s: Seconds between two ticks.
        beat: Never runs twice at a time; cancelled with the context. It must not raise.
    """

    __slots__ = ("_alive", "_beat", "_beating", "_every_s", "_timer")

    def __init__(self, every_s: float, beat: Callable[[], Awaitable[None]]) -> None:
        self._every_s = every_s
        self._beat = beat
        self._alive = False
        self._beating: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._arm()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})

    def alive(self) -> None:
        """Something happens: no beat is needed at the next tick."""
        self._alive = True

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._tick)

    def _tick(self) -> None:
        if not self._alive and (self._beating is None or self._beating.done()):
            self._beating = asyncio.get_running_loop().create_task(self._run())
        self._alive = False
        self._arm()

    async def _run(self) -> None:
        await self._beat()
