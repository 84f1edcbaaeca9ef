"""Watches the event loop from a thread: says what it is stuck in while it is stuck, and for how long afterwards.

The loop notes the time every `tick_s`. The thread looks at that note; one that is older than `stall_s` means that
something holds the loop, and the stack of the loop's thread at this moment shows what.
"""

import asyncio
import logging
import sys
import threading
import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from yaoki.resilience.clock import SYSTEM_CLOCK, Clock
from yaoki.resilience.notices import Notices

TICK_S = 0.25
STALL_S = 1.0
_FRAMES = 12

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoopStalled:
    """The event loop did nothing for `seconds`; `stack` shows where it was, innermost call last."""

    seconds: float
    stack: str


class LoopWatchdog:
    """Use as a context manager inside the loop that is to be watched.

    Args:
        stall_s: Seconds without a tick that count as a stall, above `TICK_S`.

    Attributes:
        lag_s: How late the newest tick came; what `yaoki_loop_lag_seconds` shows.
    """

    def __init__(self, notices: Notices, *, stall_s: float = STALL_S, clock: Clock = SYSTEM_CLOCK) -> None:
        self.lag_s = 0.0
        self._notices = notices
        self._stall_s = stall_s
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._ticked = clock.monotonic()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="yaoki-watchdog", daemon=True)
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._tick()
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        if self._timer is not None:
            self._timer.cancel()
        self._thread.join()

    def _tick(self) -> None:
        now = self._clock.monotonic()
        self.lag_s = max(0.0, now - self._ticked - TICK_S)
        self._ticked = now
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def _watch(self) -> None:
        stack, since = "", 0.0
        while not self._leaving.wait(TICK_S):
            ticked = self._ticked
            if since and ticked != since:
                self._loop.call_soon_threadsafe(self._tell, ticked - since, stack)
                since = 0.0
            elif not since and self._clock.monotonic() - ticked >= self._stall_s:
                stack, since = self._stack(), ticked
                _log.error("The event loop has been stuck for %.1f s in:\n%s", self._clock.monotonic() - ticked, stack)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - its documented, and only, name
        return "".join(traceback.format_stack(frame)[-_FRAMES:]) if frame else "unknown"

    def _tell(self, seconds: float, stack: str) -> None:
        _log.warning("The event loop goes on after %.1f s.", seconds)
        self._notices.publish(LoopStalled(seconds, stack))
