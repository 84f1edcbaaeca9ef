"""What a breaker remembers of its last calls: over a number of calls, or over a span of time."""

from collections import deque
from typing import Protocol

_FAILED = 1
_SLOW = 2
_SLICES = 10


class Window(Protocol):
    """Running counts of the calls that are still inside."""

    calls: int
    failed: int
    slow: int

    def record(self, *, failed: bool, slow: bool, now: float) -> None:
        """Add one call that ended `now` (monotonic seconds), and drop what fell out."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...


class CountWindow:
    """The last `size` calls."""

    __slots__ = ("_marks", "calls", "failed", "size", "slow")

    def __init__(self, size: int) -> None:
        self.size = size
        self._marks: deque[int] = deque()
        self.calls = self.failed = self.slow = 0

    def record(self, *, failed: bool, slow: bool, now: float) -> None:  # noqa: ARG002 - the protocol's signature
        """Add one call; beyond `size`, the oldest falls out."""
        self._marks.append(_FAILED * failed | _SLOW * slow)
        self.calls += 1
        self.failed += failed
        self.slow += slow
        if self.calls > self.size:
            oldest = self._marks.popleft()
            self.calls -= 1
            self.failed -= bool(oldest & _FAILED)
            self.slow -= bool(oldest & _SLOW)

    def clear(self) -> None:
        """Forget everything."""
        self._marks.clear()
        self.calls = self.failed = self.slow = 0


class TimeWindow:
    """The calls of the last `window_s` seconds, forgotten a tenth of the window at a time."""

    __slots__ = ("_slices", "calls", "failed", "slice_s", "slow")

    def __init__(self, window_s: float) -> None:
        self.slice_s = window_s / _SLICES
        self._slices: deque[list[int]] = deque()  # number of the slice, calls, failed, slow; at most ten
        self.calls = self.failed = self.slow = 0

    def record(self, *, failed: bool, slow: bool, now: float) -> None:
        """Add one call that ended `now`."""
        number = int(now // self.slice_s)
        while self._slices and self._slices[0][0] <= number - _SLICES:
            _, calls, failures, slows = self._slices.popleft()
            self.calls -= calls
            self.failed -= failures
            self.slow -= slows
        if not self._slices or self._slices[-1][0] != number:
            self._slices.append([number, 0, 0, 0])
        current = self._slices[-1]
        current[1] += 1
        current[2] += failed
        current[3] += slow
        self.calls += 1
        self.failed += failed
        self.slow += slow

    def clear(self) -> None:
        """Forget everything."""
        self._slices.clear()
        self.calls = self.failed = self.slow = 0
