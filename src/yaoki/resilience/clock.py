"""The only place that reads a clock."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


class Clock(Protocol):
    """Two clocks: monotonic seconds for durations, UTC for records."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    def utcnow(self) -> "datetime":
        """The wall clock, time zone UTC."""
        ...


class Timer(Protocol):
    """A call that will be made later."""

    def cancel(self) -> None:
        """Do not make it."""
        ...


class Scheduler(Clock, Protocol):
    """A clock that can also wait: what the guard and the recovery need."""

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` in `delay_s` seconds, on the running event loop."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait in a coroutine."""
        ...

    def block(self, delay_s: float) -> None:
        """Wait in a plain function, holding up its thread."""
        ...


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    monotonic = staticmethod(time.monotonic)  # no frame of ours around it: the guard reads it on every call

    def utcnow(self) -> "datetime":
        """The wall clock, time zone UTC."""
        from datetime import UTC, datetime  # noqa: PLC0415 - the bare package imports no more than a call needs

        return datetime.now(UTC)

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` in `delay_s` seconds, on the running event loop."""
        return asyncio.get_running_loop().call_later(delay_s, callback)

    async def sleep(self, delay_s: float) -> None:
        """Wait in a coroutine."""
        await asyncio.sleep(delay_s)

    def block(self, delay_s: float) -> None:
        """Wait in a plain function, holding up its thread."""
        time.sleep(delay_s)


SYSTEM_CLOCK = SystemClock()
