"""A loop in which nobody waits: its time jumps to whatever is due next, and a clock that reads it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is no machine's: it stands still while anything runs, and never while all wait."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 1_000.0
        selector: Any = self._selector  # type: ignore[attr-defined]
        select = selector.select

        def jump(timeout: float | None) -> Any:
            self._now_s += max(0.0, timeout or 0.0)
            return select(0)

        selector.select = jump

    def time(self) -> float:
        return self._now_s

    def stall(self, seconds: float) -> None:
        """Nothing has run for a while, as under SIGSTOP."""
        self._now_s += seconds

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """A thread would stand outside of this time, so its work is done at once."""
        done = self.create_future()
        done.set_result(func(*args))
        return done


class LoopClock:
    """The running loop's time."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def utcnow(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic())
