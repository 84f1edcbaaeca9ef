"""What a strict type checker must see. Never imported: `test_signatures.py` has it checked.

Each `pyright: ignore` marks an error that must be there; one that is not needed is an error itself.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, assert_type

from yaoki.errors import AIErrorContext, AIOrchestrationError, ModelTimeoutError, classify
from yaoki.recovery import handle_ai_errors
from yaoki.resilience import BreakerPolicy, CircuitBreaker, Guard, Notices, RetryPolicy


@handle_ai_errors
async def bare(a: int, /, b: str = "", *, c: bool) -> list[int]:
    return [a, len(b), c]


@handle_ai_errors(operation_name="ask", enable_recovery=True, circuit_breaker="model", bulkhead="model")
async def ask(question: str, *, temperature: float = 0.0) -> str:
    return question * int(temperature)


@handle_ai_errors("tell", gap_timeout_s=5.0)
async def tell(count: int) -> AsyncIterator[str]:
    for number in range(count):
        yield str(number)


@handle_ai_errors("spell", first_item_timeout_s=5.0)
async def spell(word: str) -> AsyncGenerator[str, None]:
    for letter in word:
        yield letter


@handle_ai_errors("read", retry=RetryPolicy(max_attempts=2))
def read(path: str) -> bytes:
    return path.encode()


class Orchestrator:
    @handle_ai_errors(operation_name="create_session", timeout_s=5.0)
    async def create_session(self, user: str, session_type: str = "chat") -> int:
        return len(user + session_type)


async def values() -> None:
    assert_type(await bare(1, b="x", c=True), list[int])
    asking = ask("x", temperature=1.0)
    _ = assert_type(asking, Coroutine[Any, Any, str])
    assert_type(await asking, str)
    assert_type(await ask("x"), str)
    assert_type(await Orchestrator().create_session("ada", session_type="voice"), int)
    assert_type(read("x"), bytes)
    async for item in tell(3):
        assert_type(item, str)
    async for letter in spell("word"):
        assert_type(letter, str)
    await spell("word").aclose()


async def mistakes() -> None:
    await bare("1", c=True)  # pyright: ignore[reportArgumentType]
    await bare(a=1, c=True)  # pyright: ignore[reportCallIssue]
    await ask()  # pyright: ignore[reportCallIssue]
    await ask("x", heat=1.0)  # pyright: ignore[reportCallIssue]
    read(1)  # pyright: ignore[reportArgumentType]
    tell("3")  # pyright: ignore[reportArgumentType]
    handle_ai_errors("x", breaker="y")  # pyright: ignore[reportCallIssue]
    await Orchestrator().create_session(1)  # pyright: ignore[reportArgumentType]
    BreakerPolicy(threshhold=3)  # pyright: ignore[reportCallIssue]
    BreakerPolicy().threshold = 3  # pyright: ignore[reportAttributeAccessIssue]


async def guards() -> None:
    async def add(a: int, *, b: int) -> int:
        return a + b

    guarded = Guard("add", breaker=CircuitBreaker("dep")).wrap(add)
    assert_type(await guarded(1, b=2), int)
    assert_type(await Guard("add").call(add, 1, b=2), int)
    await guarded("1", b=2)  # pyright: ignore[reportArgumentType]
    await Guard("add").call(add, 1)  # pyright: ignore[reportCallIssue]


def records(notices: Notices) -> None:
    assert_type(BreakerPolicy().but(threshold=2), BreakerPolicy)
    assert_type(AIErrorContext(session_id="s").session_id, str | None)
    assert_type(classify(TimeoutError()), AIOrchestrationError | None)
    ModelTimeoutError("late", retry_after_s=1.0, phase="idle")
    unsubscribe: Callable[[], None] = notices.subscribe(BreakerPolicy, lambda policy: print(policy.threshold))
    unsubscribe()
