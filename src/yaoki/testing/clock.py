"""A clock that moves when it is told to."""

import asyncio
import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

_START = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
_TURNS = 25


class FakeTimer:
    """A call that is made when the clock has moved far enough."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Do not make it."""
        self.callback = None


class FakeClock:
    """A `Scheduler` whose time stands still between two calls of `advance`.

    Attributes:
        now: Monotonic seconds.
        slept: Every pause that was asked for, in seconds.

    Example:
        >>> clock = FakeClock()
        >>> clock.move(1.5)
        >>> clock.monotonic()
        1.5
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self.slept: list[float] = []
        self._began = now
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._number = count()

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return self.now

    def utcnow(self) -> datetime:
        """A wall clock that moves along, time zone UTC."""
        return _START + timedelta(seconds=self.now - self._began)

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> FakeTimer:
        """Call `callback` once the clock has moved by `delay_s` seconds."""
        timer = FakeTimer(callback)
        heapq.heappush(self._timers, (self.now + delay_s, next(self._number), timer))
        return timer

    async def sleep(self, delay_s: float) -> None:
        """Wait until the clock has moved by `delay_s` seconds."""
        self.slept.append(delay_s)
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay_s, lambda: woken.done() or woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()

    def block(self, delay_s: float) -> None:
        """A plain function waits: time passes for it alone."""
        self.slept.append(delay_s)
        self.move(delay_s)

    @property
    def armed(self) -> int:
        """Timers that are still to come."""
        return sum(1 for _, _, timer in self._timers if timer.callback is not None)

    def move(self, seconds: float) -> None:
        """Let time pass and make the calls that become due, each at its own time."""
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            self.now, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                timer.callback()
        self.now = end

    async def advance(self, seconds: float) -> None:
        """Let time pass, and every task run as far as it comes, before, in between and after."""
        end = self.now + seconds
        await settle()
        while self._timers and self._timers[0][0] <= end:
            self.move(self._timers[0][0] - self.now)
            await settle()
        self.move(end - self.now)
        await settle()


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
