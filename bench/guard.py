"""What the guard costs over a bare call, beside `asyncio.timeout`, which guards less."""

import asyncio
from collections.abc import Iterator

from bench.figures import Figure, cost_over
from yaoki.resilience.breaker import CircuitBreaker
from yaoki.resilience.bulkhead import Bulkhead
from yaoki.resilience.deadlines import Timeout
from yaoki.resilience.guard import Guard
from yaoki.resilience.retry import Retry


async def bare() -> None:
    """A call that costs nothing itself."""


async def under_asyncio_timeout() -> None:
    """What people write when they guard a call by hand."""
    async with asyncio.timeout(5.0):
        await bare()


everything = Guard(
    "everything",
    bulkhead=Bulkhead("bench"),
    breaker=CircuitBreaker("bench"),
    retry=Retry(),
    timeout=Timeout(5.0),
).wrap(bare)

breaker_only = Guard("breaker", breaker=CircuitBreaker("bench")).wrap(bare)


def figures() -> Iterator[Figure]:
    timeout_us, all_us, breaker_us = cost_over(bare, under_asyncio_timeout, everything, breaker_only)
    for name, cost_us, limit in (
        ("bulkhead + breaker + retry + timeout", all_us, 0.6),
        ("breaker", breaker_us, 0.3),
    ):
        yield Figure(name=name, cost_us=cost_us, reference="asyncio.timeout", reference_us=timeout_us, limit=limit)
