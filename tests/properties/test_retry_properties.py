"""Delays stay in their bounds, and a budget is never overdrawn."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from yaoki.resilience import Backoff, Retry, RetryBudget, RetryBudgetPolicy, RetryPolicy

POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 50),
    delay_s=st.floats(0, 100),
    backoff=st.sampled_from(Backoff),
    factor=st.floats(1, 10),
    max_delay_s=st.floats(0, 100),
    jitter=st.booleans(),
)


@given(POLICIES, st.integers(1, 200), st.integers())
def test_a_delay_is_within_its_bounds_and_none_after_the_last_attempt(
    policy: RetryPolicy, attempt: int, seed: int
) -> None:
    delay_s = Retry(policy, rng=random.Random(seed)).next_delay_s(attempt, TimeoutError())
    if attempt >= policy.max_attempts:
        assert delay_s is None
    else:
        assert delay_s is not None
        assert 0 <= delay_s <= policy.max_delay_s


@given(POLICIES, st.integers(1, 200))
def test_a_later_delay_is_never_shorter(policy: RetryPolicy, attempt: int) -> None:
    assert policy.delay_after(attempt) <= policy.delay_after(attempt + 1)


class BudgetMachine(RuleBasedStateMachine):
    """First tries and retries in any order."""

    @initialize(share=st.floats(0, 1), reserve=st.integers(0, 5))
    def begin(self, share: float, reserve: int) -> None:
        self.policy = RetryBudgetPolicy(share=share, reserve=reserve)
        self.budget = RetryBudget(self.policy)
        self.firsts = self.retries = 0

    @rule(count=st.integers(1, 10))
    def try_first(self, count: int) -> None:
        for _ in range(count):
            self.budget.deposit()
        self.firsts += count

    @rule()
    def try_again(self) -> None:
        before = self.budget.tokens
        granted = self.budget.withdraw()
        assert granted == (before >= 1)
        self.retries += granted

    @invariant()
    def never_overdrawn(self) -> None:
        if hasattr(self, "budget"):
            assert 0 <= self.budget.tokens <= self.policy.reserve
            assert self.retries <= self.policy.reserve + self.policy.share * self.firsts + 1e-6


TestBudget = BudgetMachine.TestCase
TestBudget.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
