"""What is measured: one call dressed in each guard, ours and the peers'.

A subject is built around a callee, so that each can be measured over one that returns at once and one that suspends.
The peers are imported only here, and only when their environment runs it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from yaoki.recovery import handle_ai_errors
from yaoki.resilience import Bulkhead, CircuitBreaker, Fallback, Guard, Guards, Retry, Timeout

Call = Callable[[], Awaitable[object]]
Subject = Callable[[Call], Call]
SECONDS = 5.0


def asyncio_timeout(callee: Call) -> Call:
    """The reference: what people write by hand."""

    async def call() -> object:
        async with asyncio.timeout(SECONDS):
            return await callee()

    return call


def wait_for(callee: Call) -> Call:
    async def call() -> object:
        return await asyncio.wait_for(callee(), SECONDS)

    return call


def semaphore(callee: Call) -> Call:
    room = asyncio.Semaphore(10)

    async def call() -> object:
        async with room:
            return await callee()

    return call


def full_guard(callee: Call) -> Call:
    return Guard(
        "bench",
        bulkhead=Bulkhead("bench"),
        breaker=CircuitBreaker("bench"),
        retry=Retry(),
        timeout=Timeout(SECONDS),
    ).wrap(callee)


def decorated(callee: Call) -> Call:
    decorate = handle_ai_errors(
        "bench",
        enable_recovery=True,
        circuit_breaker="bench",
        bulkhead="bench",
        retry="bench",
        timeout_s=SECONDS,
        fallback=callee,
        guards=Guards(),
    )

    async def call() -> object:
        return await callee()

    return decorate(call)


OURS: dict[str, Subject] = {
    "yaoki guard: bulkhead + breaker + retry + timeout": full_guard,
    "yaoki handle_ai_errors: the same + recovery + fallback": decorated,
    "yaoki breaker": lambda callee: Guard("bench", breaker=CircuitBreaker("bench")).wrap(callee),
    "yaoki timeout": lambda callee: Guard("bench", timeout=Timeout(SECONDS)).wrap(callee),
    "yaoki bulkhead": lambda callee: Guard("bench", bulkhead=Bulkhead("bench")).wrap(callee),
    "yaoki retry": lambda callee: Guard("bench", retry=Retry()).wrap(callee),
    "yaoki fallback": lambda callee: Fallback("bench", callee).wrap(callee),
}
STDLIB: dict[str, Subject] = {"asyncio.wait_for": wait_for, "asyncio.Semaphore": semaphore}
