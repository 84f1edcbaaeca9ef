"""`handle_ai_errors` on every sort of function."""

import asyncio
import inspect
from collections.abc import AsyncGenerator

import pytest

from yaoki.errors import (
    AIRecoveryStrategy,
    CommunicationTimeoutError,
    ConfigurationSettingError,
    ModelUnavailableError,
    ResourceBreakerOpenError,
    ResourceBulkheadFullError,
)
from yaoki.recovery import AIRecoveryManager, RecoveryPolicy, ai_recovery_manager, handle_ai_errors
from yaoki.resilience import GUARDS, BreakerPolicy, BulkheadPolicy, Guards, RetryPolicy
from yaoki.testing import FakeClock, FakeDependency


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def guards(clock: FakeClock) -> Guards:
    made = Guards(clock=clock)
    made.retries.configure(default=RetryPolicy(jitter=False))
    return made


@pytest.fixture
def manager(clock: FakeClock) -> AIRecoveryManager:
    return AIRecoveryManager(RecoveryPolicy(retry=RetryPolicy(jitter=False)), clock=clock)


async def result_of(clock: FakeClock, awaitable: object) -> object:
    task = asyncio.ensure_future(awaitable)
    await clock.advance(100)
    (result,) = await asyncio.gather(task, return_exceptions=True)
    return result


async def test_a_method_keeps_its_face_and_shares_its_policies_by_name(clock: FakeClock, guards: Guards) -> None:
    class Orchestrator:
        @handle_ai_errors(
            operation_name="create_session",
            circuit_breaker="session_creation",
            bulkhead="session_management",
            guards=guards,
        )
        async def create_session(self, user: str, session_type: str = "chat") -> str:
            """Create one."""
            raise ConnectionRefusedError(user)

    assert Orchestrator.create_session.__doc__ == "Create one."
    assert list(inspect.signature(Orchestrator.create_session).parameters) == ["self", "user", "session_type"]
    assert inspect.iscoroutinefunction(Orchestrator.create_session)
    for _ in range(5):
        with pytest.raises(ConnectionRefusedError):
            await Orchestrator().create_session("ada")
    with pytest.raises(ResourceBreakerOpenError) as refused:
        await Orchestrator().create_session("ada")
    assert refused.value.context.operation == "create_session"
    assert guards.operations["create_session"].bulkhead is guards.bulkheads.get("session_management")


async def test_bare_it_only_names_the_operation() -> None:
    @handle_ai_errors
    async def ask() -> str:
        raise ModelUnavailableError("down")

    with pytest.raises(ModelUnavailableError) as raised:
        await ask()
    assert raised.value.context.operation == ask.__qualname__
    assert ask.__qualname__ in GUARDS.operations


async def test_recovery_runs_the_call_again_under_the_guard(
    clock: FakeClock, guards: Guards, manager: AIRecoveryManager
) -> None:
    dependency = FakeDependency([TimeoutError(), TimeoutError(), "ok"])

    @handle_ai_errors("ask", enable_recovery=True, circuit_breaker="dep", guards=guards, manager=manager)
    async def ask(question: str) -> object:
        return await dependency(question)

    assert await result_of(clock, ask("x")) == "ok"
    assert clock.slept == [1, 2]
    guards.breakers.configure(by_name={"dep": BreakerPolicy(threshold=1)})
    dependency.script, dependency.calls = [TimeoutError()], 0
    error = await result_of(clock, ask("x"))
    assert isinstance(error, ResourceBreakerOpenError)
    assert dependency.calls == 1
    assert error.report.outcome == "failed"


async def test_no_layer_multiplies_anothers_attempts(
    clock: FakeClock, guards: Guards, manager: AIRecoveryManager
) -> None:
    dependency = FakeDependency([TimeoutError()])

    @handle_ai_errors("ask", enable_recovery=True, retry="dep", guards=guards, manager=manager)
    async def ask() -> object:
        return await dependency()

    error = await result_of(clock, ask())
    assert isinstance(error, TimeoutError)
    assert dependency.calls == 3


async def test_a_lesser_answer_comes_as_the_operations_own_type(
    clock: FakeClock, guards: Guards, manager: AIRecoveryManager
) -> None:
    manager.answers(AIRecoveryStrategy.DEGRADE, lambda case: f"sorry, {case.args[0]}")

    @handle_ai_errors("ask", enable_recovery=True, guards=guards, manager=manager)
    async def ask(name: str) -> str:
        raise ConnectionRefusedError

    assert await result_of(clock, ask("ada")) == "sorry, ada"


async def test_the_fallback_comes_after_recovery(clock: FakeClock, guards: Guards, manager: AIRecoveryManager) -> None:
    dependency = FakeDependency([ConnectionRefusedError()])

    @handle_ai_errors(
        "ask",
        enable_recovery=True,
        fallback=[FakeDependency([OSError()]), lambda: "other"],
        guards=guards,
        manager=manager,
    )
    async def ask() -> object:
        return await dependency()

    assert await result_of(clock, ask()) == "other"
    assert dependency.calls == 4


async def test_a_timeout_and_a_fallback_without_recovery(clock: FakeClock, guards: Guards) -> None:
    dependency = FakeDependency()
    dependency.gate.clear()

    @handle_ai_errors("ask", timeout_s=5, fallback=lambda: "other", guards=guards)
    async def ask() -> object:
        return await dependency()

    assert await result_of(clock, ask()) == "other"
    assert dependency.inside == 0


async def test_a_stream_has_its_deadlines(clock: FakeClock, guards: Guards) -> None:
    @handle_ai_errors("tell", first_item_timeout_s=5, gap_timeout_s=2, timeout_s=50, guards=guards)
    async def tell(pauses: list[float]) -> AsyncGenerator[float, None]:
        for pause in pauses:
            await clock.sleep(pause)
            yield pause

    async def collect(pauses: list[float]) -> list[float]:
        return [item async for item in tell(pauses)]

    assert inspect.isasyncgenfunction(tell)
    assert await result_of(clock, collect([4, 1, 1])) == [4, 1, 1]
    error = await result_of(clock, collect([4, 3]))
    assert isinstance(error, CommunicationTimeoutError)
    assert error.facts["phase"] == "gap"


async def test_a_stream_recovers_before_its_first_item_and_falls_back_to_a_stream(
    clock: FakeClock, guards: Guards, manager: AIRecoveryManager
) -> None:
    begun: list[int] = []

    async def other() -> AsyncGenerator[str, None]:
        yield "other"

    @handle_ai_errors("tell", enable_recovery=True, fallback=other, guards=guards, manager=manager)
    async def tell() -> AsyncGenerator[str, None]:
        begun.append(1)
        raise ConnectionRefusedError
        yield "never"  # noqa: V201 - makes it a generator

    async def collect() -> list[str]:
        return [item async for item in tell()]

    assert await result_of(clock, collect()) == ["other"]
    assert len(begun) == 4


def test_a_plain_function_is_guarded_and_retried(clock: FakeClock, guards: Guards, manager: AIRecoveryManager) -> None:
    outcomes = [ConnectionResetError(), 7]

    @handle_ai_errors("read", enable_recovery=True, bulkhead="disk", guards=guards, manager=manager)
    def read() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert read() == 7
    assert clock.slept == [1]
    guards.bulkheads.configure(by_name={"disk": BulkheadPolicy(max_concurrent=1)})
    guards.bulkheads.get("disk").try_enter()
    with pytest.raises(ResourceBulkheadFullError):
        read()


def test_a_plain_fallback_answers_for_a_plain_function(guards: Guards) -> None:
    @handle_ai_errors("read", fallback=lambda: "other", guards=guards)
    def read() -> str:
        raise OSError("broken")

    assert read() == "other"


async def test_an_object_with_an_async_call_is_guarded_as_one(guards: Guards) -> None:
    dependency = FakeDependency([ConnectionRefusedError(), "ok"])
    guarded = handle_ai_errors("ask", fallback=lambda: "other", guards=guards)(dependency)
    assert await guarded() == "other"
    assert await guarded() == "ok"


def test_a_plain_function_that_returns_an_awaitable_is_not_guarded_by_mistake(guards: Guards) -> None:
    async def ask() -> str:
        return "unguarded"

    @handle_ai_errors("ask", circuit_breaker="dep", guards=guards)
    def wrapper() -> object:
        return ask()

    with pytest.raises(ConfigurationSettingError, match="declare it with `async def`"):
        wrapper()


def test_what_cannot_be_meant_is_refused_when_decorating(guards: Guards) -> None:
    async def coroutine() -> None: ...
    async def stream() -> AsyncGenerator[int, None]:
        yield 1

    with pytest.raises(ConfigurationSettingError, match="plain function"):
        handle_ai_errors("op", timeout_s=1, guards=guards)(len)
    with pytest.raises(ConfigurationSettingError, match="not a stream"):
        handle_ai_errors("op", gap_timeout_s=1, guards=guards)(coroutine)
    with pytest.raises(ConfigurationSettingError, match="async generator"):
        handle_ai_errors("op", fallback=coroutine, guards=guards)(stream)


def test_a_process_has_one_manager_that_tells_the_processes_notices() -> None:
    assert ai_recovery_manager.notices is GUARDS.notices
