"""Acceptance: one test for each named capability, its body the real thing.

A capability that is not delivered is a strict expected failure that names the exception it fails with: once it is
there, the test passes, that counts as a failure, and the mark has to go. `docs/capabilities.md` is made from this file:
`python -m tests.capabilities`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import pytest

import yaoki
from tests.unit.turns.instance import OWNER, Instance, end_of, text_of
from yaoki import (
    FALLBACK_MODELS,
    AIErrorCategory,
    AIErrorContext,
    AIErrorSeverity,
    AIOrchestrationError,
    AIRecoveryManager,
    AIRecoveryStrategy,
    Backoff,
    BreakerPolicy,
    BreakerState,
    Bulkhead,
    BulkheadPolicy,
    CircuitBreaker,
    Degraded,
    Fallback,
    Guard,
    Guards,
    ModelTruncatedError,
    ModelUnavailableError,
    RecoveryPolicy,
    ResourceBreakerOpenError,
    ResourceBulkheadFullError,
    Retry,
    RetryBudget,
    RetryPolicy,
    Timeout,
    bind,
    classify,
    current,
    handle_ai_errors,
)
from yaoki.errors import KINDS
from yaoki.faults import ScriptedProvider
from yaoki.faults.script import ANSWER, Script
from yaoki.store.events import TextDelta
from yaoki.testing import FakeClock

AT_ONCE = RetryPolicy(delay_s=0)


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Instance]:
    async with ScriptedProvider(Script(fault="cut_mid_stream")) as one, ScriptedProvider() as two:
        instance = await Instance.start(tmp_path / "yaoki.db", [one, two])
        yield instance
        await instance.aclose()


def failing(times: int, error: Exception, value: str = "done") -> Callable[[], object]:
    left = iter(range(times))

    async def operation() -> str:
        if next(left, None) is not None:
            raise error
        return value

    return operation


# ------------------------------------------------------------------------------------------------------------- errors


def test_ai_orchestration_error_and_its_nine_families() -> None:
    """Every error is an `AIOrchestrationError`; each of the nine families has a class of its own."""
    assert {kind.category for kind in KINDS.values()} == set(AIErrorCategory)
    families = {cls.__name__ for cls in AIOrchestrationError.__subclasses__()}
    assert len(families) == 9
    assert {"ModelInferenceError", "AgentExecutionError", "SessionManagementError", "VoiceProcessingError"} <= families


def test_ai_error_severity() -> None:
    """Every kind says how much of it reaches people."""
    assert KINDS["model.truncated"].severity is AIErrorSeverity.MEDIUM
    assert {kind.severity for kind in KINDS.values()} == set(AIErrorSeverity)


def test_ai_recovery_strategy() -> None:
    """Every kind lists what may heal it, in order."""
    assert ModelTruncatedError("cut").strategies[0] is AIRecoveryStrategy.CONTINUE
    assert all(kind.strategies for kind in KINDS.values())


def test_ai_error_context() -> None:
    """An error knows where it happened: what was bound around it is in its context."""
    with bind(session_id="s_1", model_name="llama3.2"):
        error = ModelUnavailableError("down")
        assert current().session_id == "s_1"
    assert error.context.as_dict() == AIErrorContext(session_id="s_1", model_name="llama3.2").as_dict()


def test_classify() -> None:
    """Foreign exceptions get our facts by type, status and code."""
    assert classify(ConnectionRefusedError(), "model").kind == "model.unavailable"
    assert classify(TimeoutError(), "model").kind == "model.timeout"


# --------------------------------------------------------------------------------------------------------- resilience


async def test_circuit_breaker() -> None:
    """Opens after failures in a row, refuses without calling, lets one probe through after the break, and closes."""
    clock = FakeClock()
    breaker = CircuitBreaker("b", BreakerPolicy(threshold=3, break_s=60.0), clock=clock)
    for _ in range(3):
        breaker.admit().failed()
    with pytest.raises(ResourceBreakerOpenError) as refused:
        breaker.admit()
    assert refused.value.retry_after_s == pytest.approx(60.0)
    await clock.advance(60.0)
    probe = breaker.admit()
    with pytest.raises(ResourceBreakerOpenError):
        breaker.admit()
    probe.succeeded()
    assert breaker.state is BreakerState.CLOSED


async def test_bulkhead() -> None:
    """Bounds how many run and how many wait; the rest is refused before it starts."""
    bulkhead = Bulkhead("b", BulkheadPolicy(max_concurrent=1, max_queued=1))
    await bulkhead.enter()
    waiting = asyncio.create_task(bulkhead.enter())
    await asyncio.sleep(0)
    with pytest.raises(ResourceBulkheadFullError):
        await bulkhead.enter()
    bulkhead.leave()
    await waiting
    assert bulkhead.rejected == 1


@pytest.mark.parametrize(
    "backoff, delays", [("EXPONENTIAL", [1, 2, 4]), ("LINEAR", [1, 2, 3]), ("FIBONACCI", [1, 1, 2])]
)
def test_retry(backoff: str, delays: list[float]) -> None:
    """Exponential, linear and fibonacci delays, with full jitter unless it is switched off."""
    policy = RetryPolicy(max_attempts=4, delay_s=1.0, backoff=Backoff[backoff], jitter=False)
    retry = Retry(policy, rng=Random(1))
    assert [retry.next_delay_s(attempt, ModelUnavailableError("down")) for attempt in (1, 2, 3)] == delays


def test_retry_budget() -> None:
    """Retries are a share of the calls, however many callers fail."""
    budget = RetryBudget()
    granted = sum(budget.withdraw() for _ in range(1_000))
    assert granted <= 10


async def test_timeout() -> None:
    """Ends what takes too long, without a timer for every call."""
    slow = Guard("slow", timeout=Timeout(0.01))
    with pytest.raises(TimeoutError):
        await slow.call(asyncio.Event().wait)


async def test_fallback() -> None:
    """Gives another answer in place of one that failed."""

    async def other() -> str:
        return "other"

    assert await Fallback("f", other).wrap(failing(1, ModelUnavailableError("down")))() == "other"


async def test_guard() -> None:
    """All policies of one operation in one call."""
    guards = Guards()
    guard = Guard(
        "g",
        bulkhead=Bulkhead("g"),
        breaker=CircuitBreaker("g"),
        retry=Retry(AT_ONCE),
        timeout=guards.timeout(5.0),
    )
    assert await guard.call(failing(2, ModelUnavailableError("down"))) == "done"


def test_default_constants() -> None:
    """The defaults have names."""
    assert (yaoki.BREAKER_THRESHOLD, yaoki.BREAKER_BREAK_S, yaoki.BULKHEAD_MAX_CONCURRENT) == (5, 60.0, 10)
    assert (yaoki.RETRY_MAX_ATTEMPTS, yaoki.RETRY_DELAY_S, yaoki.RETRY_FACTOR) == (3, 1.0, 2.0)
    assert (yaoki.RECOVERY_MAX_ATTEMPTS, yaoki.RECOVERY_WITHIN_S) == (3, 300.0)
    assert FALLBACK_MODELS == {"llama3.2": ("llama3.1", "llama2"), "llama3.1": ("llama3.2", "llama2")}


# ----------------------------------------------------------------------------------------------------------- recovery


async def test_handle_ai_errors() -> None:
    """One line around any function: recovery, breaker, bulkhead, retry, timeout and fallback by name."""
    guards = Guards()

    @handle_ai_errors("ask", circuit_breaker="ask", bulkhead="ask", retry=AT_ONCE, timeout_s=5.0, guards=guards)
    async def ask(question: str) -> str:
        return f"{question} {await attempts()}"  # type: ignore[misc]

    attempts = failing(2, ModelUnavailableError("down"), "answered")
    assert await ask("hello") == "hello answered"
    assert guards.breakers.get("ask").state is BreakerState.CLOSED


async def test_recover_from_error() -> None:
    """Analyses, selects, executes and validates; what comes back is the operation's value."""
    manager = AIRecoveryManager(RecoveryPolicy(retry=AT_ONCE))
    assert (
        await manager.recover_from_error(ModelUnavailableError("down"), failing(1, ModelUnavailableError("x")))
        == "done"
    )


async def test_recover_from_error_degrades() -> None:
    """A lesser answer is marked as one."""
    manager = AIRecoveryManager(RecoveryPolicy(retry=AT_ONCE))
    manager.answers(AIRecoveryStrategy.DEGRADE, lambda _case: "a lesser answer")
    lesser = await manager.recover_from_error(ModelUnavailableError("down"), failing(9, ModelUnavailableError("x")))
    assert isinstance(lesser, Degraded)
    assert lesser.value == "a lesser answer"


async def test_recover_from_error_reports() -> None:
    """When nothing helped, the last error says what was tried."""
    manager = AIRecoveryManager(RecoveryPolicy(retry=AT_ONCE))
    with pytest.raises(ModelUnavailableError) as failed:
        await manager.recover_from_error(ModelUnavailableError("down"), failing(9, ModelUnavailableError("x")))
    report = failed.value.report  # type: ignore[attr-defined]
    assert report.outcome == "failed"
    assert report.attempts
    assert report.next_steps


async def test_schedule_recovery() -> None:
    """The form that does not wait."""
    manager = AIRecoveryManager(RecoveryPolicy(retry=AT_ONCE))
    assert (
        await manager.schedule_recovery(ModelUnavailableError("down"), failing(0, ModelUnavailableError("x"))) == "done"
    )
    await manager.aclose()


async def test_trigger_comprehensive_recovery() -> None:
    """Every registered part recovers after what it stands on, with one report."""
    manager = AIRecoveryManager()
    report = await manager.trigger_comprehensive_recovery()
    assert report.failures == {}


@pytest.mark.xfail(strict=True, raises=AttributeError)
def test_session_recovery_manager() -> None:
    """Recovers a session component by component."""
    assert yaoki.SessionRecoveryManager  # type: ignore[attr-defined]


@pytest.mark.xfail(strict=True, raises=AttributeError)
def test_model_recovery_manager() -> None:
    """Recovers models: health, fallback selection, cached responses, degradation."""
    assert yaoki.ModelRecoveryManager  # type: ignore[attr-defined]


@pytest.mark.xfail(strict=True, raises=AttributeError)
def test_voice_recovery_manager() -> None:
    """Falls back from voice to text and returns."""
    assert yaoki.VoiceRecoveryManager  # type: ignore[attr-defined]


@pytest.mark.xfail(strict=True, raises=AttributeError)
def test_communication_recovery_manager() -> None:
    """Recovers channels, and tells the client what to do."""
    assert yaoki.CommunicationRecoveryManager  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------------- orchestrator


async def test_create_session(instance: Instance) -> None:
    """Opens a session that belongs to its owner."""
    session = await instance.orchestrator.create_session(OWNER)
    assert (await instance.orchestrator.session(OWNER, session.id)).status == "open"


async def test_send(instance: Instance) -> None:
    """A message is on disk when it is acknowledged, and a cut answer reaches its end."""
    events = await instance.ask(await instance.session())
    assert text_of(events) == ANSWER
    assert end_of(events).outcome == "completed"


async def test_cancel(instance: Instance) -> None:
    """Stops a turn, with one plain end."""
    await instance.providers[0].play(Script(token_s=0.05))
    session = await instance.session()
    await instance.orchestrator.send(OWNER, session.id, "hello")
    await instance.events(session, until=TextDelta)
    await instance.orchestrator.cancel(OWNER, session.id)
    assert end_of(await instance.events(session)).outcome == "cancelled"


async def test_close_session(instance: Instance) -> None:
    """A closed session takes no more messages."""
    session = await instance.session()
    await instance.orchestrator.close_session(OWNER, session.id)
    with pytest.raises(yaoki.SessionClosedError):
        await instance.orchestrator.send(OWNER, session.id, "hello")


async def test_recover_session(instance: Instance) -> None:
    """A failed turn is taken up again as a new one."""
    for provider in instance.providers:
        await provider.play(Script(fault="model_not_found"))
    session = await instance.session()
    assert end_of(await instance.ask(session)).outcome == "degraded"
    accepted = await instance.orchestrator.recover_session(OWNER, session.id)
    assert not accepted.duplicate


@pytest.mark.xfail(strict=True, raises=AttributeError)
async def test_handle_critical_error(instance: Instance) -> None:
    """Recovers from a critical error; else cleans up, tells the user and guides."""
    assert instance.orchestrator.handle_critical_error  # type: ignore[attr-defined]


@pytest.mark.xfail(strict=True, raises=AttributeError)
async def test_get_error_handling_health(instance: Instance) -> None:
    """One document about breakers, bulkheads, managers, models, store, counts and rates."""
    assert instance.orchestrator.get_error_handling_health  # type: ignore[attr-defined]


@pytest.mark.xfail(strict=True, raises=AttributeError)
async def test_run_error_handling_integration_test(instance: Instance) -> None:
    """The self-test behind `yaoki doctor`."""
    assert instance.orchestrator.run_error_handling_integration_test  # type: ignore[attr-defined]
