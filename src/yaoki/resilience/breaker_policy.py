"""What one wants of a circuit breaker, and the states that it can be in."""

from enum import StrEnum

from yaoki.errors.records import Record
from yaoki.errors.tree import ConfigurationSettingError

BREAKER_THRESHOLD = 5
BREAKER_BREAK_S = 60.0


class BreakerState(StrEnum):
    """The field's words."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    ISOLATED = "isolated"  # held open by hand


class BreakerPolicy(Record):
    """When a breaker trips and how it comes back.

    Attributes:
        threshold: Failures in a row that trip it, at least 1. Not looked at when a ratio is given.
        break_s: Seconds that it stays open before probes, above 0.
        probes: Calls that half-open lets through, all of which must succeed; at least 1. A probe that has no verdict
            after another `break_s` is given up, and its place is free again.
        failure_ratio: Share of the window's calls that trips it by failing, above 0.0 and up to 1.0.
        slow_ratio: Share of the window's calls that trips it by being slow, above 0.0 and up to 1.0.
        slow_call_s: Seconds from which a call that succeeded was slow, above 0; goes with `slow_ratio`.
        window_calls: Look at the last so many calls, at least 1 …
        window_s: … or at the calls of the last so many seconds, above 0. One of the two, 100 calls if neither is given.
        min_calls: With fewer calls in the window no ratio means anything; at least 1, at most `window_calls`.
    """

    threshold: int = BREAKER_THRESHOLD
    break_s: float = BREAKER_BREAK_S
    probes: int = 1
    failure_ratio: float | None = None
    slow_ratio: float | None = None
    slow_call_s: float | None = None
    window_calls: int | None = None
    window_s: float | None = None
    min_calls: int = 10

    @property
    def by_ratio(self) -> bool:
        """Whether a window decides, not failures in a row."""
        return self.failure_ratio is not None or self.slow_ratio is not None

    def check(self) -> None:
        """Raise ConfigurationSettingError for a value outside its range."""
        wrong = [
            name
            for name, right in {
                "threshold": self.threshold >= 1,
                "break_s": self.break_s > 0,
                "probes": self.probes >= 1,
                "failure_ratio": self.failure_ratio is None or 0 < self.failure_ratio <= 1,
                "slow_ratio": self.slow_ratio is None or 0 < self.slow_ratio <= 1,
                "slow_call_s": (self.slow_call_s is None) == (self.slow_ratio is None) and (self.slow_call_s or 1) > 0,
                "window_calls": self.window_calls is None or self.window_calls >= 1,
                "window_s": self.window_s is None or (self.window_s > 0 and self.window_calls is None),
                "min_calls": 1 <= self.min_calls <= (self.window_calls or self.min_calls),
            }.items()
            if not right
        ]
        if wrong:
            raise ConfigurationSettingError(f"Breaker policy: {', '.join(wrong)} out of range.", settings=wrong)
