"""One figure, its reference, and how many times the reference it may cost."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

CALLS = 5_000
ROUNDS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured.

    Attributes:
        name: What costs it.
        cost_us: Microseconds of processor time.
        reference: What it is compared with.
        reference_us: Microseconds of processor time of the reference, in the same run.
        limit: The largest ratio of the two that passes.
    """

    name: str
    cost_us: float
    reference: str
    reference_us: float
    limit: float

    @property
    def ratio(self) -> float:
        return self.cost_us / self.reference_us

    @property
    def passes(self) -> bool:
        return self.ratio <= self.limit


def cost_over(bare: Callable[[], Awaitable[object]], *dressed: Callable[[], Awaitable[object]]) -> list[float]:
    """What each of `dressed` costs over `bare`, in microseconds of processor time a call: medians of rounds in turn."""
    return asyncio.run(costs_over(bare, *dressed))


async def costs_over(bare: Callable[[], Awaitable[object]], *dressed: Callable[[], Awaitable[object]]) -> list[float]:
    """`cost_over` inside a running event loop."""
    measured = [[await _round(call) for call in (bare, *dressed)] for _ in range(ROUNDS)]
    return [statistics.median(row[at] - row[0] for row in measured) for at in range(1, len(dressed) + 1)]


async def _round(call: Callable[[], Awaitable[object]]) -> float:
    began = time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.process_time() - began) / CALLS * 1e6
