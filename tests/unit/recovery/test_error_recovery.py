"""Recovery of one error."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from yaoki.errors import (
    AgentToolFailedError,
    AIRecoveryStrategy,
    CommunicationTimeoutError,
    ConfigurationSettingError,
    ModelAuthenticationError,
    ModelRateLimitedError,
    ModelUnavailableError,
    SessionConflictError,
    current,
)
from yaoki.recovery import AIRecoveryManager, Case, Degraded, RecoveryEnded, RecoveryPolicy, RecoveryReport
from yaoki.resilience import Notices, RetryPolicy, spending
from yaoki.testing import FakeBudget, FakeClock, FakeDependency, Heard

DOWN = ModelUnavailableError("down")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def notices() -> Notices:
    return Notices()


@pytest.fixture
def manager(clock: FakeClock, notices: Notices) -> AIRecoveryManager:
    policy = RecoveryPolicy(retry=RetryPolicy(jitter=False))
    return AIRecoveryManager(policy, clock=clock, notices=notices)


async def recovered(
    clock: FakeClock, manager: AIRecoveryManager, error: Exception, operation: Callable[..., object]
) -> object:
    """The value, or the error that was raised."""
    task = asyncio.create_task(manager.recover_from_error(error, operation, 1, b=2))
    await clock.advance(400)
    (result,) = await asyncio.gather(task, return_exceptions=True)
    return result


def strategies(report: RecoveryReport) -> list[tuple[str, str]]:
    return [(attempt.strategy.value, attempt.outcome) for attempt in report.attempts]


async def test_the_operation_runs_again_with_its_arguments(clock: FakeClock, manager: AIRecoveryManager) -> None:
    async def add(a: int, *, b: int) -> int:
        return a + b

    assert await recovered(clock, manager, ConnectionResetError(), add) == 3
    assert await recovered(clock, manager, ConnectionResetError(), lambda a, b: a - b) == -1


async def test_three_attempts_with_growing_pauses_then_the_last_error_with_its_report(
    clock: FakeClock, manager: AIRecoveryManager
) -> None:
    dependency = FakeDependency([DOWN, TimeoutError(), ModelRateLimitedError("slow", retry_after_s=9)])
    error = await recovered(clock, manager, ConnectionRefusedError(), dependency)
    assert isinstance(error, ModelRateLimitedError)
    assert dependency.calls == 3
    assert clock.slept == [1, 2, 4]
    report = error.report
    assert isinstance(report, RecoveryReport)
    assert report.outcome == "failed"
    assert report.kind == "communication.unavailable"
    assert strategies(report) == [("retry", "failed")] * 3
    assert [attempt.seconds for attempt in report.attempts] == [1, 2, 4]
    assert [attempt.kind for attempt in report.attempts] == [
        "model.unavailable",
        "communication.timeout",
        "model.rate_limited",
    ]
    assert report.seconds == 7
    assert report.next_steps == ("Try again in 9 s.", "Name a fallback for this model or service.")
    assert isinstance(error.__context__, TimeoutError)


async def test_what_cannot_be_healed_is_raised_at_once(clock: FakeClock, manager: AIRecoveryManager) -> None:
    dependency = FakeDependency()
    for error in (SessionConflictError("same id"), TypeError("bug")):
        raised = await recovered(clock, manager, error, dependency)
        assert raised is error
        assert error.report.attempts == ()
    assert dependency.calls == 0


async def test_a_healer_repairs_and_then_the_operation_runs_again(clock: FakeClock, manager: AIRecoveryManager) -> None:
    refreshed: list[Case] = []

    async def refresh(case: Case) -> None:
        refreshed.append(case)

    manager.heals(AIRecoveryStrategy.REFRESH_CREDENTIALS, refresh)
    assert await recovered(clock, manager, ModelAuthenticationError("refused"), FakeDependency()) == "ok"
    assert len(refreshed) == 1
    assert clock.slept == []


async def test_an_answerer_gives_the_value_itself(clock: FakeClock, manager: AIRecoveryManager) -> None:
    async def from_cache(case: Case) -> str:
        return f"cached for {case.args} {case.kwargs}"

    manager.answers(AIRecoveryStrategy.CACHED, from_cache)
    dependency = FakeDependency([DOWN])
    assert await recovered(clock, manager, DOWN, dependency) == "cached for (1,) {'b': 2}"
    assert dependency.calls == 3, "the cache comes after the runs that the policy allows"


async def test_each_strategy_is_tried_once_in_the_order_of_the_kind(
    clock: FakeClock, manager: AIRecoveryManager
) -> None:
    asked: list[str] = []

    async def failover(case: Case) -> str:
        asked.append("failover")
        raise ModelUnavailableError("the other one too")

    async def cached(case: Case) -> str:
        asked.append("cached")
        return "old"

    manager.answers(AIRecoveryStrategy.FAILOVER, failover)
    manager.answers(AIRecoveryStrategy.CACHED, cached)
    assert await recovered(clock, manager, DOWN, FakeDependency([DOWN])) == "old"
    assert asked == ["failover", "cached"]


async def test_a_value_that_the_check_refuses_is_not_a_recovery(clock: FakeClock, manager: AIRecoveryManager) -> None:
    dependency = FakeDependency(["bad", "bad", "good"])
    stored: dict[str, object] = {}

    async def write(*_: int, **__: int) -> object:
        stored["it"] = await dependency()
        return "written"

    manager.validates(write.__qualname__, lambda _: stored["it"] == "good")
    assert await recovered(clock, manager, DOWN, write) == "written"
    assert dependency.calls == 3


async def test_a_lesser_answer_is_marked(clock: FakeClock, manager: AIRecoveryManager) -> None:
    manager.answers(AIRecoveryStrategy.DEGRADE, lambda case: "sorry")
    degraded = await recovered(clock, manager, DOWN, FakeDependency([DOWN]))
    assert isinstance(degraded, Degraded)
    assert repr(degraded) == "<Degraded 'sorry'>"
    assert degraded.report.outcome == "degraded"
    assert strategies(degraded.report) == [*[("retry", "failed")] * 3, ("degrade", "succeeded")]


async def test_a_lesser_answer_that_fails_too_is_in_the_report(clock: FakeClock, manager: AIRecoveryManager) -> None:
    def broken(case: Case) -> str:
        raise RuntimeError("nothing to say")

    manager.answers(AIRecoveryStrategy.DEGRADE, broken)
    error = await recovered(clock, manager, DOWN, FakeDependency([DOWN]))
    assert isinstance(error, RuntimeError)
    assert strategies(error.report)[-1] == ("degrade", "failed")


async def test_it_ends_when_its_time_is_up(clock: FakeClock, manager: AIRecoveryManager) -> None:
    dependency = FakeDependency()
    dependency.gate.clear()
    error = await recovered(clock, manager, DOWN, dependency)
    assert isinstance(error, CommunicationTimeoutError)
    assert error.report.seconds == 300
    assert dependency.calls == 1


@pytest.mark.requirement("P-5")
async def test_it_spends_the_budget_of_the_turn(clock: FakeClock, manager: AIRecoveryManager) -> None:
    turn = FakeBudget(attempts=2)
    dependency = FakeDependency([DOWN])
    with spending(turn):
        error = await recovered(clock, manager, DOWN, dependency)
    assert dependency.calls == 2
    assert turn.attempts_left == 0
    assert strategies(error.report) == [("retry", "failed"), ("retry", "failed"), ("retry", "skipped")]


async def test_a_healer_without_an_attempt_left_is_not_begun(clock: FakeClock, manager: AIRecoveryManager) -> None:
    async def never(case: Case) -> None:
        raise AssertionError("it was begun")

    manager.heals(AIRecoveryStrategy.REFRESH_CREDENTIALS, never)
    with spending(FakeBudget(attempts=0)):
        error = await recovered(clock, manager, ModelAuthenticationError("x"), FakeDependency())
    assert strategies(error.report) == [("refresh_credentials", "skipped")]


async def test_errors_inside_know_how_many_recoveries_there_were(clock: FakeClock, manager: AIRecoveryManager) -> None:
    seen: list[int] = []

    async def operation(*_: int, **__: int) -> str:
        seen.append(current().recovery_attempts)
        return "ok"

    await recovered(clock, manager, DOWN, operation)
    assert seen == [1]


async def test_its_end_is_told(clock: FakeClock, manager: AIRecoveryManager, notices: Notices) -> None:
    heard = Heard(notices, RecoveryEnded)
    await recovered(clock, manager, DOWN, FakeDependency())
    await recovered(clock, manager, TypeError(), FakeDependency())
    assert heard.notices == [
        RecoveryEnded(
            manager="error", operation=heard.notices[0].operation, strategy="retry", outcome="recovered", seconds=1
        ),
        RecoveryEnded(
            manager="error", operation=heard.notices[0].operation, strategy="none", outcome="failed", seconds=0
        ),
    ]


async def test_a_scheduled_recovery_is_owned_and_its_failure_logged(
    clock: FakeClock, manager: AIRecoveryManager, caplog: pytest.LogCaptureFixture
) -> None:
    healed = manager.schedule_recovery(DOWN, FakeDependency())
    failed = manager.schedule_recovery(AgentToolFailedError("x"), FakeDependency())
    assert repr(manager) == "<AIRecoveryManager 3 attempts, [], 2 running>"
    with caplog.at_level(logging.WARNING):
        await clock.advance(1)
    assert await healed == "ok"
    assert failed.done()
    assert "A scheduled recovery failed: AgentToolFailedError('x')" in caplog.text
    hanging = manager.schedule_recovery(DOWN, FakeDependency())
    await clock.advance(0)
    await manager.aclose()
    assert hanging.cancelled()
    assert clock.armed == 0


async def test_cancelling_it_stops_it_at_once(clock: FakeClock, manager: AIRecoveryManager) -> None:
    dependency = FakeDependency()
    dependency.gate.clear()
    task = asyncio.create_task(manager.recover_from_error(DOWN, dependency))
    await clock.advance(1)
    assert dependency.inside == 1
    task.cancel()
    await clock.advance(0)
    assert task.cancelled()
    assert dependency.inside == 0


async def test_an_error_that_takes_no_attributes_is_raised_all_the_same(
    clock: FakeClock, manager: AIRecoveryManager
) -> None:
    class StubbornError(TypeError):
        def __setattr__(self, name: str, value: object) -> None:
            raise AttributeError(name)

    assert isinstance(await recovered(clock, manager, StubbornError(), FakeDependency()), StubbornError)


@pytest.mark.parametrize("wrong", [{"max_attempts": 0}, {"within_s": 0}])
def test_a_policy_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationSettingError):
        RecoveryPolicy(**wrong)
