"""The breaker beside a model of it that is written down naively."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from yaoki.errors import ResourceBreakerOpenError
from yaoki.resilience import BreakerPolicy, BreakerState, CircuitBreaker, Permit, Verdict
from yaoki.testing import FakeClock

BREAK_S = 10.0


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls, verdicts (late ones too), pauses, and hands laid on it."""

    permits = Bundle("permits")

    @initialize(threshold=st.integers(1, 4), probes=st.integers(1, 3))
    def begin(self, threshold: int, probes: int) -> None:
        self.clock = FakeClock()
        self.policy = BreakerPolicy(threshold=threshold, break_s=BREAK_S, probes=probes)
        self.breaker = CircuitBreaker("dep", self.policy, clock=self.clock)
        self.state = BreakerState.CLOSED
        self.era = 0  # every change of state begins another
        self.failures = self.passed = 0
        self.probing = 0
        self.since = 0.0

    def enter(self, state: BreakerState) -> None:
        self.state = state
        self.era += 1
        self.failures = self.passed = self.probing = 0
        if state is BreakerState.OPEN:
            self.since = self.clock.now

    def look(self) -> None:
        if self.state is BreakerState.OPEN and self.clock.now - self.since >= BREAK_S:
            self.enter(BreakerState.HALF_OPEN)

    def has_room(self) -> bool:
        return self.passed + self.probing < self.policy.probes

    @rule(target=permits)
    def call(self) -> tuple[Permit | None, int]:
        self.look()
        lost = self.clock.now - self.since >= BREAK_S
        if self.state is BreakerState.HALF_OPEN and not self.has_room() and lost:
            self.enter(BreakerState.HALF_OPEN)
        if self.state is not BreakerState.CLOSED and not (self.state is BreakerState.HALF_OPEN and self.has_room()):
            with pytest.raises(ResourceBreakerOpenError) as refused:
                self.breaker.admit()
            assert refused.value.retry_after_s is not None
            assert 0 <= refused.value.retry_after_s <= BREAK_S
            return None, -1
        permit = self.breaker.admit()
        if self.state is BreakerState.HALF_OPEN:
            self.probing += 1
            self.since = self.clock.now
        return permit, self.era

    @rule(pair=consumes(permits), verdict=st.sampled_from(Verdict))
    def give_verdict(self, pair: tuple[Permit | None, int], verdict: Verdict) -> None:
        permit, era = pair
        if permit is None:
            return
        permit.report(verdict)
        permit.report(Verdict.FAILED)  # a second one never counts
        if era != self.era:
            return
        if self.state is BreakerState.HALF_OPEN:
            self.probing -= 1
            if verdict is Verdict.FAILED:
                self.enter(BreakerState.OPEN)
            elif verdict is Verdict.SUCCEEDED:
                self.passed += 1
                if self.passed == self.policy.probes:
                    self.enter(BreakerState.CLOSED)
        elif verdict is Verdict.SUCCEEDED:
            self.failures = 0
        elif verdict is Verdict.FAILED:
            self.failures += 1
            if self.failures == self.policy.threshold:
                self.enter(BreakerState.OPEN)

    @rule(seconds=st.sampled_from([0.0, 1.0, BREAK_S / 2, BREAK_S]))
    def wait(self, seconds: float) -> None:
        self.clock.move(seconds)

    @rule()
    def isolate(self) -> None:
        self.breaker.isolate()
        if self.state is not BreakerState.ISOLATED:
            self.enter(BreakerState.ISOLATED)

    @rule()
    def reset(self) -> None:
        self.breaker.reset()
        self.enter(BreakerState.CLOSED)

    @invariant()
    def looks_the_same(self) -> None:
        if not hasattr(self, "breaker"):
            return
        self.look()
        assert self.breaker.state is self.state
        assert self.breaker.calm == (self.state is BreakerState.CLOSED and self.failures == 0)


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
