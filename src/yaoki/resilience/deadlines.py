"""Deadlines of one duration: a queue in order of arrival, and one armed timer for all of them.

`asyncio.timeout` arms and cancels a timer on every call. Deadlines that are equally far away expire in the order in
which they began, so it is enough to watch the first: a call that ends in time costs an append and a mark.
"""

import asyncio
from collections import deque
from typing import Any

from yaoki.errors.tree import ConfigurationSettingError
from yaoki.resilience.clock import SYSTEM_CLOCK, Scheduler, Timer

_COMPACT_FROM = 64


class Deadline:
    """One call's deadline.

    Attributes:
        at: Monotonic seconds.
        task: Who is cancelled when it passes; None while nobody waits under it.
        passed: Whether it has passed.
        timer: Its own timer, for the rare one that cannot share.
    """

    __slots__ = ("_cancelling", "at", "open", "passed", "task", "timer")

    def __init__(self, at: float, task: "asyncio.Task[Any] | None") -> None:
        self.at = at
        self.open = True
        self.passed = False
        self.task = task
        self.timer: Timer | None = None
        self._cancelling = 0 if task is None else task.cancelling()

    def expire(self) -> None:
        """Mark it, and interrupt whoever waits under it."""
        self.passed = True
        if self.task is not None:
            self.task.cancel()

    def takes_back(self) -> bool:
        """Take back our own cancellation.

        Returns:
            Whether it was the only one: False if somebody else wants the task to stop as well, and it must.
        """
        task, self.task = self.task, None
        return task is None or task.uncancel() <= self._cancelling

    def begin_wait(self) -> None:
        """The current task waits under it from now on."""
        self.task = asyncio.current_task()
        self._cancelling = 0 if self.task is None else self.task.cancelling()

    def end_wait(self) -> None:
        """Nobody waits under it now; if it passes, the next `begin_wait` finds it passed."""
        self.task = None


class Timeout:
    """Ends calls that take longer than `timeout_s`. Shared by every call with that duration.

    Args:
        timeout_s: Seconds, above 0.
        clock: Where time and the timer come from.
    """

    __slots__ = ("_clock", "_loop", "_open", "_queue", "_timer", "timeout_s")

    def __init__(self, timeout_s: float, *, clock: Scheduler = SYSTEM_CLOCK) -> None:
        if timeout_s <= 0:
            raise ConfigurationSettingError(f"A timeout must be above 0 s, not {timeout_s:g}.", settings=["timeout_s"])
        self.timeout_s = timeout_s
        self._clock = clock
        self._queue: deque[Deadline] = deque()
        self._open = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: Timer | None = None

    def __repr__(self) -> str:
        return f"<Timeout {self.timeout_s:g} s, {self._open} open>"

    def begin(self) -> Deadline:
        """Start a deadline for the current task; it must be ended, on cancellation too."""
        loop = asyncio.get_running_loop()
        deadline = Deadline(self._clock.monotonic() + self.timeout_s, asyncio.current_task(loop))
        if loop is not self._loop and not self._moves_to(loop):
            deadline.timer = self._clock.call_later(self.timeout_s, deadline.expire)
            return deadline
        self._queue.append(deadline)
        self._open += 1
        if self._timer is None:
            self._timer = self._clock.call_later(self.timeout_s, self._expire)
        return deadline

    def end(self, deadline: Deadline) -> None:
        """The call is over. Finished deadlines at the front are dropped, and all of them when they are the most."""
        deadline.open = False
        if deadline.timer is not None:
            deadline.timer.cancel()
            return
        self._open -= 1
        queue = self._queue
        while queue and not queue[0].open:
            queue.popleft()
        if len(queue) > _COMPACT_FROM and self._open * 2 < len(queue):
            self._queue = deque(kept for kept in queue if kept.open)

    def disarm(self) -> None:
        """Let go of the timer if nothing is open: for one that is made for a single call."""
        if self._open == 0 and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        now = self._clock.monotonic()
        queue = self._queue
        self._timer = None
        while queue and (not queue[0].open or queue[0].at <= now):
            deadline = queue.popleft()
            if deadline.open:
                deadline.expire()
        if queue:
            self._timer = self._clock.call_later(queue[0].at - now, self._expire)

    def _moves_to(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Serve another event loop, if the one served so far has ended; two at a time cannot share a timer."""
        if self._loop is not None and not self._loop.is_closed():
            return False
        self._loop = loop
        self._queue.clear()
        self._open = 0
        self._timer = None
        return True
