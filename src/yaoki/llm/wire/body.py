"""Reads the body of a streamed answer: each of its first pieces at once, and later what has come in a short while.

Waking up for a token costs several times what is done with it, and nobody reads faster than a screenful a second: who
answers a client writes every 30 ms anyway. The end of the body is never waited for: it wakes the reader at once.
"""

import asyncio
from contextlib import suppress

import aiohttp

from yaoki.llm.watcher import DRAIN_S, LINGER_S
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

GULP_S = 0.03
"""Seconds from one piece to the next, where the body comes that quickly."""
AT_ONCE = 3
"""Pieces at the beginning that are handed out as they come: with the third a whole word is there to be shown."""


class WireBody:
    """One response's body.

    Args:
        content: As aiohttp gives it; nobody else reads it.
        unreadable: The errors that it may raise.
    """

    __slots__ = ("_clock", "_content", "_ended", "_last", "_pieces", "_unreadable", "_waiter")

    def __init__(
        self, content: aiohttp.StreamReader, unreadable: tuple[type[Exception], ...], clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._content = content
        self._unreadable = unreadable
        self._clock = clock
        self._pieces = 0
        self._last = 0.0
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        content.on_eof(self._wake)

    async def piece(self) -> bytes:
        """What has come next, empty at the end.

        Raises:
            aiohttp.ClientError: The body broke off. All that came before has been handed out.
        """
        if self._pieces >= AT_ONCE and not self._ended:
            rest_s = self._last + GULP_S - self._clock.monotonic()
            if rest_s > 0.0:
                await self._gather(rest_s)
        self._pieces += 1
        error = self._content.exception()
        raw = (error and self._before(error)) or await self._content.readany()
        self._last = self._clock.monotonic()
        return raw

    async def last_piece(self) -> bytes:
        """The same after the terminator, where nothing is a fault and nothing is worth a wait."""
        with suppress(TimeoutError, *self._unreadable):
            async with asyncio.timeout(LINGER_S):
                return await self._content.readany()
        return b""

    async def drain(self) -> None:
        """Read a body that is at its end anyway to it, so that its connection can serve again."""
        with suppress(TimeoutError, *self._unreadable):
            if not self._content.at_eof():
                async with asyncio.timeout(DRAIN_S):
                    while not self._content.at_eof():
                        await self._content.readany()

    async def _gather(self, rest_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(rest_s, self._due)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _before(self, error: BaseException) -> bytes:
        """What came before the body broke off; aiohttp itself would drop it."""
        self._content.set_exception(None)  # type: ignore[arg-type]
        raw = self._content.read_nowait()
        self._content.set_exception(error)
        return raw

    def _wake(self) -> None:
        self._ended = True
        self._due()

    def _due(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
