"""A circuit breaker over consecutive failures.

    CLOSED --threshold failures in a row--> OPEN --break_s later--> HALF_OPEN --success--> CLOSED
                                             ^------------failure------'

Half-open admits one probe at a time. A verdict from before the last change of state is dropped. A caller's error counts
as neither success nor failure.
"""

from enum import StrEnum

from yaoki.errors import ResourceBreakerOpenError
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

BREAKER_THRESHOLD = 5
BREAKER_BREAK_S = 60.0


class BreakerState(StrEnum):
    """The field's words."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Verdict(StrEnum):
    """What a call says about its dependency."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IGNORED = "ignored"


class CircuitBreaker:
    """Refuses calls to a dependency that failed `threshold` times in a row, for `break_s` seconds."""

    __slots__ = ("_clock", "_failures", "_generation", "_opened_at", "_probing", "_state", "break_s", "name", "threshold")

    def __init__(
        self,
        name: str,
        *,
        threshold: int = BREAKER_THRESHOLD,
        break_s: float = BREAKER_BREAK_S,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = name
        self.threshold = threshold
        self.break_s = break_s
        self._clock = clock
        self._state = BreakerState.CLOSED
        self._failures = 0
        self._generation = 0
        self._opened_at = 0.0
        self._probing = False

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.name} {self.state} failures={self._failures}>"

    @property
    def state(self) -> BreakerState:
        """The state now; an open breaker becomes half-open by time alone."""
        if self._state is BreakerState.OPEN and self._clock.monotonic() - self._opened_at >= self.break_s:
            self._enter(BreakerState.HALF_OPEN)
        return self._state

    def admit(self) -> int:
        """Let one call start, or refuse it without waiting.

        Returns:
            A permit that must get exactly one verdict through `report`, on cancellation too.

        Raises:
            ResourceBreakerOpenError: The call did not start; `retry_after_s` holds the seconds left of the break.
        """
        state = self.state
        if state is BreakerState.OPEN or (state is BreakerState.HALF_OPEN and self._probing):
            left = max(0.0, self.break_s - (self._clock.monotonic() - self._opened_at))
            raise ResourceBreakerOpenError(f"The breaker {self.name!r} is {state}.", retry_after_s=left)
        self._probing = state is BreakerState.HALF_OPEN
        return self._generation

    def report(self, permit: int, verdict: Verdict) -> None:
        """Give a permit its verdict; one from an older generation is dropped."""
        if permit != self._generation:
            return
        self._probing = False
        if verdict is Verdict.SUCCEEDED:
            self._failures = 0
            if self._state is not BreakerState.CLOSED:
                self._enter(BreakerState.CLOSED)
        elif verdict is Verdict.FAILED:
            self._failures += 1
            if self._state is BreakerState.HALF_OPEN or self._failures >= self.threshold:
                self._enter(BreakerState.OPEN)

    def _enter(self, state: BreakerState) -> None:
        self._state = state
        self._generation += 1
        self._probing = False
        if state is BreakerState.OPEN:
            self._opened_at = self._clock.monotonic()
        elif state is BreakerState.CLOSED:
            self._failures = 0
