"""Reads the body of a streamed answer: each of its first pieces at once, and later what has come in a short while.

Waking up for a token costs several times what is done with it, and nobody reads faster than a screenful a second: who
answers a client writes every 30 ms anyway. The end of the body is never waited for: it wakes the reader at once.
"""

import asyncio
from contextlib import suppress

import aiohttp

from yaoki.llm.streams.watcher import DRAIN_S, LINGER_S
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

GULP_S = 0.03
"""Seconds from one piece to the next, where the body comes that quickly."""
AT_ONCE = 3
"""Pieces at the beginning that are handed out as they come: with the third a whole word is there to be shown."""
UNWATCHED_GULP_S = 0.1
"""Seconds from one piece to the next after the first, which is a sign of life, where nobody sees the answer grow."""


class WireBody:
    """One response's body.

    Args:
        content: As aiohttp gives it; nobody else reads it.
        unreadable: The errors that it may raise.
        watched: Somebody sees the answer grow.
    """

    __slots__ = ("_at_once", "_clock", "_content", "_ended", "_gulp_s", "_last", "_unreadable", "_waiter")

    def __init__(
        self,
        content: aiohttp.StreamReader,
        unreadable: tuple[type[Exception], ...],
        *,
        watched: bool = True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._content = content
        self._unreadable = unreadable
        self._clock = clock
        self._at_once, self._gulp_s = (AT_ONCE, GULP_S) if watched else (1, UNWATCHED_GULP_S)
        self._last = 0.0
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        content.on_eof(self._wake)

    async def piece(self) -> bytes:
        """What has come next, empty at the end.

        Raises:
            aiohttp.ClientError: The body broke off. All that came before has been handed out.
        """
        if self._at_once:
            self._at_once -= 1
        elif not self._ended:
            rest_s = self._last + self._gulp_s - self._clock.monotonic()
            if rest_s > 0.0:
                await self._gather(rest_s)
        error = self._content.exception()
        raw = (error and self._before(error)) or await self._content.readany()
        self._last = self._clock.monotonic()
        return raw

    async def last_piece(self) -> bytes:
        """The same after the terminator, where nothing is a fault and little is worth a wait."""
        rest_s = self._last + LINGER_S - self._clock.monotonic()
        with suppress(TimeoutError, *self._unreadable):
            async with asyncio.timeout(max(0.0, rest_s)):
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
