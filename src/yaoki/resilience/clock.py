"""The only place that reads a clock."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two clocks: monotonic seconds for durations, UTC for records."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    def utcnow(self) -> datetime:
        """The wall clock, time zone UTC."""
        ...


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        return time.monotonic()

    def utcnow(self) -> datetime:
        """The wall clock, time zone UTC."""
        return datetime.now(UTC)


SYSTEM_CLOCK = SystemClock()
