"""A circuit breaker: refuses calls to a dependency that keeps failing, and finds out when it is back.

    CLOSED ──trips──▶ OPEN ──break_s later──▶ HALF_OPEN ──every probe succeeded──▶ CLOSED
                       ▲                          │
                       └───── a probe failed ─────┘
    any ──isolate()──▶ ISOLATED ──reset()──▶ CLOSED

It trips after `threshold` failures in a row or, if a ratio is given, when too many calls of a window failed or were
slow. Half-open admits a counted number of probes. Every change of state starts a new generation, and a verdict from an
older one is dropped: a slow old call can neither close nor open a newer state.

It belongs to one event loop (or one thread); none of its methods wait.
"""

from yaoki.errors.tree import ResourceBreakerOpenError
from yaoki.resilience.breaker_policy import BREAKER_BREAK_S, BREAKER_THRESHOLD, BreakerPolicy, BreakerState
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock
from yaoki.resilience.notices import Notices
from yaoki.resilience.topics import BreakerClosed, BreakerHalfOpened, BreakerIsolated, BreakerOpened
from yaoki.resilience.verdicts import Verdict
from yaoki.resilience.windows import CountWindow, TimeWindow, Window

__all__ = [
    "BREAKER_BREAK_S",
    "BREAKER_THRESHOLD",
    "BreakerPolicy",
    "BreakerState",
    "CircuitBreaker",
    "Permit",
    "Verdict",
]

_DEFAULT = BreakerPolicy()
_DEFAULT_WINDOW_CALLS = 100
_CLOSED, _OPEN, _HALF_OPEN, _ISOLATED = BreakerState
_SUCCEEDED, _FAILED, _IGNORED = Verdict
_TOPICS = {_CLOSED: BreakerClosed, _HALF_OPEN: BreakerHalfOpened, _ISOLATED: BreakerIsolated}


class Permit:
    """The right to make one call. It must get exactly one verdict, on cancellation too; a second one is dropped."""

    __slots__ = ("_breaker", "_generation", "_started")

    def __init__(self, breaker: "CircuitBreaker", generation: int, started: float) -> None:
        self._breaker: CircuitBreaker | None = breaker
        self._generation = generation
        self._started = started

    def __repr__(self) -> str:
        return f"<Permit {'spent' if self._breaker is None else f'of {self._breaker!r}'}>"

    def succeeded(self) -> None:
        """The dependency did its work."""
        self.report(_SUCCEEDED)

    def failed(self) -> None:
        """The dependency failed."""
        self.report(_FAILED)

    def ignored(self) -> None:
        """The call says nothing about the dependency: the caller's fault, or cancelled."""
        self.report(_IGNORED)

    def report(self, verdict: Verdict) -> None:
        """Give the verdict."""
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker.settle(self._generation, verdict, self._started)


class CircuitBreaker:
    """Refuses calls to a dependency that keeps failing.

    Args:
        name: What it stands before; shown in errors, notices and metrics.
        policy: When it trips and how it comes back.
        clock: Where durations come from.
        notices: Who is told of `BreakerOpened`, `BreakerHalfOpened`, `BreakerClosed`, `BreakerIsolated`.

    Attributes:
        calm: Closed and without a failure: a call may start, and its success would change nothing.
        generation: Goes up with every change of state.
        timed: Whether it wants to know how long calls take.

    Example:
        >>> breaker = CircuitBreaker("weather", BreakerPolicy(threshold=1))
        >>> breaker.admit().failed()
        >>> breaker
        <CircuitBreaker weather open, 60 s left>
        >>> breaker.admit()
        Traceback (most recent call last):
        yaoki.errors.tree.ResourceBreakerOpenError: The breaker 'weather' is open.
    """

    __slots__ = (
        "_clock",
        "_failures",
        "_notices",
        "_passed",
        "_probing",
        "_since",
        "_state",
        "_window",
        "calm",
        "generation",
        "name",
        "policy",
        "timed",
    )

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy = _DEFAULT,
        *,
        clock: Clock = SYSTEM_CLOCK,
        notices: Notices | None = None,
    ) -> None:
        self.name = name
        self.policy = policy
        self.timed = policy.slow_call_s is not None
        self.generation = 0
        self._clock = clock
        self._notices = notices
        self._state = _CLOSED
        self._failures = 0
        self._window = _window_of(policy)
        self._since = 0.0  # when it opened, or when the last probe started
        self._probing = 0
        self._passed = 0
        self.calm = self._window is None

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.name} {self._describe()}>"

    @property
    def state(self) -> BreakerState:
        """The state now; an open breaker becomes half-open by time alone."""
        if self._state is _OPEN and self._clock.monotonic() - self._since >= self.policy.break_s:
            self._enter(_HALF_OPEN)
        return self._state

    @property
    def admits(self) -> bool:
        """Whether a call could start now."""
        state = self.state
        return state is _CLOSED or (state is _HALF_OPEN and self._has_room_for_probe())

    @property
    def retry_after_s(self) -> float:
        """Seconds until it may admit again; 0.0 when it does, `break_s` while it is isolated."""
        if self._state is _ISOLATED:
            return self.policy.break_s
        if self.admits:
            return 0.0
        return max(0.0, self.policy.break_s - (self._clock.monotonic() - self._since))

    def admit(self) -> Permit:
        """Let one call start, or refuse it without waiting.

        Half-open admits a counted number of probes; every other caller is refused until they have a verdict. A
        verdict that arrives after the state has changed is dropped, so a slow old call cannot close a new breaker.

        Returns:
            A permit that must get exactly one verdict, on cancellation too.

        Raises:
            ResourceBreakerOpenError: The call did not start. `retry_after_s` holds the seconds left of the break.
        """
        generation = self.start()
        return Permit(self, generation, self._clock.monotonic() if self.timed else 0.0)

    def isolate(self) -> None:
        """Hold it open, whatever happens, until `reset`."""
        if self._state is not _ISOLATED:
            self._enter(_ISOLATED)

    def reset(self) -> None:
        """Close it by hand, with a clean memory."""
        self._enter(_CLOSED)

    def adopt(self, policy: BreakerPolicy) -> None:
        """Follow another policy from now on: closed, with a clean memory, unless it is isolated."""
        self.policy = policy
        self.timed = policy.slow_call_s is not None
        self._window = _window_of(policy)
        self._enter(_ISOLATED if self._state is _ISOLATED else _CLOSED)

    def start(self) -> int:
        """`admit` without the object, for the guard: the generation goes back to `settle`, exactly once."""
        if self._state is not _CLOSED and self.state is not _CLOSED:
            if not self.admits:
                raise ResourceBreakerOpenError(
                    f"The breaker {self.name!r} is {self._state}.", retry_after_s=self.retry_after_s, breaker=self.name
                )
            self._probing += 1
            self._since = self._clock.monotonic()
        return self.generation

    def settle(self, generation: int, verdict: Verdict, started: float = 0.0) -> None:
        """Give a started call its verdict; one from an older generation is dropped.

        Args:
            generation: What `start` returned.
            verdict: What the call says about the dependency.
            started: Monotonic seconds at the start; only looked at if `timed`.
        """
        if generation != self.generation:
            return
        if self._state is _HALF_OPEN:
            self._settle_probe(verdict, started)
        elif verdict is not _IGNORED:
            if self._window is not None:
                self._settle_in_window(self._window, verdict, started)
            elif verdict is _SUCCEEDED:
                self._failures = 0
                self.calm = True
            else:
                self._failures += 1
                self.calm = False
                if self._failures >= self.policy.threshold:
                    self._enter(_OPEN, "consecutive_failures")

    def _settle_probe(self, verdict: Verdict, started: float) -> None:
        self._probing -= 1
        if verdict is _FAILED or (verdict is _SUCCEEDED and self._was_slow(started)):
            self._enter(_OPEN, "probe_failed")
        elif verdict is _SUCCEEDED:
            self._passed += 1
            if self._passed >= self.policy.probes:
                self._enter(_CLOSED)

    def _settle_in_window(self, window: Window, verdict: Verdict, started: float) -> None:
        policy = self.policy
        slow = verdict is _SUCCEEDED and self._was_slow(started)
        window.record(failed=verdict is _FAILED, slow=slow, now=self._clock.monotonic())
        if window.calls < policy.min_calls:
            return
        if policy.failure_ratio is not None and window.failed >= policy.failure_ratio * window.calls:
            self._enter(_OPEN, "failure_ratio")
        elif policy.slow_ratio is not None and window.slow >= policy.slow_ratio * window.calls:
            self._enter(_OPEN, "slow_ratio")

    def _was_slow(self, started: float) -> bool:
        limit = self.policy.slow_call_s
        return limit is not None and self._clock.monotonic() - started >= limit

    def _has_room_for_probe(self) -> bool:
        if self._probing + self._passed < self.policy.probes:
            return True
        if self._clock.monotonic() - self._since < self.policy.break_s:
            return False
        self._enter(_HALF_OPEN)  # the probes are lost: their verdicts will be dropped, others take their places
        return True

    def _enter(self, state: BreakerState, reason: str = "") -> None:
        before, self._state = self._state, state
        self.generation += 1
        self._probing = self._passed = self._failures = 0
        self.calm = state is _CLOSED and self._window is None
        if self._window is not None:
            self._window.clear()
        if state is _OPEN:
            self._since = self._clock.monotonic()
        if before is not state:
            self._tell(state, reason)

    def _tell(self, state: BreakerState, reason: str) -> None:
        notices = self._notices
        if notices is None:
            return
        if state is _OPEN:
            if notices.wants(BreakerOpened):
                notices.publish(BreakerOpened(name=self.name, reason=reason, break_s=self.policy.break_s))
        elif notices.wants(topic := _TOPICS[state]):
            notices.publish(topic(name=self.name))

    def _describe(self) -> str:
        """Without changing anything: looking is not acting."""
        if self._state is _OPEN:
            left = self.policy.break_s - (self._clock.monotonic() - self._since)
            return f"open, {left:.0f} s left" if left > 0 else "half_open, 0 probing"
        if self._state is _HALF_OPEN:
            return f"half_open, {self._probing} probing, {self._passed} of {self.policy.probes} passed"
        if self._state is _CLOSED and self._window is not None:
            window = self._window
            return f"closed, {window.failed} failed and {window.slow} slow of {window.calls}"
        return f"closed, {self._failures} of {self.policy.threshold} failures" if self._state is _CLOSED else "isolated"


def _window_of(policy: BreakerPolicy) -> Window | None:
    if not policy.by_ratio:
        return None
    if policy.window_s is not None:
        return TimeWindow(policy.window_s)
    return CountWindow(policy.window_calls or max(_DEFAULT_WINDOW_CALLS, policy.min_calls))
