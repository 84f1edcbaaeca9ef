"""Retries: whether, when, and out of which budget."""

import random

import pytest

from yaoki.errors import (
    AgentToolArgumentsError,
    ConfigurationSettingError,
    ModelAuthenticationError,
    ModelRateLimitedError,
    ResourceBreakerOpenError,
)
from yaoki.resilience import Backoff, Retry, RetryBudget, RetryBudgetPolicy, RetryPolicy, spending
from yaoki.testing import FakeBudget

PLAIN = RetryPolicy(jitter=False, max_attempts=10)


@pytest.mark.parametrize(
    "backoff, expected",
    [
        (Backoff.EXPONENTIAL, [1, 2, 4, 8, 16, 30, 30]),
        (Backoff.LINEAR, [1, 2, 3, 4, 5, 6, 7]),
        (Backoff.FIBONACCI, [1, 1, 2, 3, 5, 8, 13]),
        (Backoff.CONSTANT, [1, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_delays_grow_as_asked(backoff: Backoff, expected: list[float]) -> None:
    retry = Retry(PLAIN.but(backoff=backoff))
    assert [retry.next_delay_s(attempt, OSError("refused")) for attempt in range(1, 8)] == expected


def test_full_jitter_chooses_between_nothing_and_the_delay() -> None:
    retry = Retry(RetryPolicy(max_attempts=9, delay_s=8), rng=random.Random(7))
    delays = [retry.next_delay_s(1, TimeoutError()) for _ in range(200)]
    assert 0 <= min(delays) < 1
    assert 7 < max(delays) <= 8


def test_the_last_attempt_is_followed_by_none() -> None:
    retry = Retry(RetryPolicy(max_attempts=3))
    assert retry.next_delay_s(2, TimeoutError()) is not None
    assert retry.next_delay_s(3, TimeoutError()) is None


def test_the_other_sides_wish_is_obeyed_up_to_a_limit() -> None:
    retry = Retry(PLAIN)
    assert retry.next_delay_s(1, ModelRateLimitedError("slow down", retry_after_s=20)) == 20
    assert retry.next_delay_s(3, ModelRateLimitedError("slow down", retry_after_s=1)) == 4
    assert retry.next_delay_s(1, ModelRateLimitedError("slow down", retry_after_s=61)) is None


def test_only_what_may_be_gone_the_next_time_is_tried_again() -> None:
    retry = Retry(PLAIN)
    assert retry.retryable(ConnectionResetError())
    assert retry.retryable(ValueError("whatever a dependency may raise"))
    for error in (
        ModelAuthenticationError("key refused"),
        AgentToolArgumentsError("nonsense"),
        ResourceBreakerOpenError("open"),
        TypeError("our bug"),
        KeyboardInterrupt(),
        GeneratorExit(),
    ):
        assert not retry.retryable(error)


def test_the_policy_may_know_better() -> None:
    retry = Retry(PLAIN.but(retry_on=(TypeError, KeyError), never_on=(KeyError, TimeoutError)))
    assert retry.retryable(TypeError())
    assert not retry.retryable(KeyError())
    assert not retry.retryable(TimeoutError())


def test_a_budget_bounds_retries_to_a_share_of_first_tries() -> None:
    budget = RetryBudget(RetryBudgetPolicy(share=0.1, reserve=2))
    retry = Retry(PLAIN, budget=budget)
    granted = 0
    for _ in range(100):
        budget.deposit()
        granted += retry.next_delay_s(1, TimeoutError()) is not None
    assert granted == 2 + 9
    assert repr(budget) == "<RetryBudget 0.9 of 2>"


def test_a_retry_draws_from_the_turn_that_is_running() -> None:
    retry = Retry(PLAIN)
    turn = FakeBudget(attempts=1)
    with spending(turn):
        assert retry.next_delay_s(1, TimeoutError()) == 1
        assert retry.next_delay_s(1, TimeoutError()) is None
    assert turn.attempts_left == 0


def test_a_retry_that_would_outlast_the_turn_is_not_begun() -> None:
    turn = FakeBudget(attempts=5, remaining_s=1)
    with spending(turn):
        assert Retry(PLAIN).next_delay_s(1, TimeoutError()) is None
    assert turn.attempts_left == 5


@pytest.mark.parametrize("wrong", [{"max_attempts": 0}, {"delay_s": -1}, {"factor": 0.5}, {"max_delay_s": -1}])
def test_a_policy_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationSettingError):
        RetryPolicy(**wrong)


@pytest.mark.parametrize("wrong", [{"share": -0.1}, {"reserve": -1}])
def test_a_budget_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationSettingError):
        RetryBudgetPolicy(**wrong)
