"""One figure, its reference, and what it may come to.

A cost is gated by the ratio to its reference; what a person notices, by a limit of its own.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

NOISY_DIGITS = 3
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

    @property
    def cells(self) -> "Cells":
        return Cells(
            figure=self.name,
            measured=f"{self.cost_us:.2f} µs",
            limit=f"{self.limit:.2f} ×",
            ratio=f"{self.ratio:.2f} ×",
            reference=f"{self.reference}: {self.reference_us:.2f} µs",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What a person waits for, or a machine must have.

    Attributes:
        name: What it is, and of how many.
        value: Median, or what the name says.
        unit: Of `value`, `worst`, `limit` and `reference_value`.
        limit: The largest `value` that passes.
        worst: The largest of them; None if there was only one.
        reference: What stands beside it, not gated; empty: nothing that would say more.
        reference_value: The reference's own, of the same run.
    """

    name: str
    value: float
    unit: str
    limit: float
    worst: float | None = None
    reference: str = ""
    reference_value: float = 0.0

    @property
    def passes(self) -> bool:
        return self.value <= self.limit

    @property
    def cells(self) -> "Cells":
        worst = "" if self.worst is None else f" (worst {_short(self.worst)})"
        return Cells(
            figure=self.name,
            measured=f"{_short(self.value)} {self.unit}{worst}",
            limit=f"{_short(self.limit)} {self.unit}",
            ratio=f"{self.value / self.reference_value:.2f} ×" if self.reference else "",
            reference=f"{self.reference}: {_short(self.reference_value)} {self.unit}" if self.reference else "",
        )


class Cells(NamedTuple):
    """A row for people."""

    figure: str
    measured: str
    limit: str
    ratio: str
    reference: str


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 10**NOISY_DIGITS else f"{number:.{NOISY_DIGITS}g}"


def cost_over(bare: Callable[[], Awaitable[object]], *dressed: Callable[[], Awaitable[object]]) -> list[float]:
    """What each of `dressed` costs over `bare`, in microseconds of processor time a call: medians of rounds in turn."""
    return asyncio.run(costs_over(bare, *dressed))


async def costs_over(
    bare: Callable[[], Awaitable[object]], *dressed: Callable[[], Awaitable[object]], calls: int = CALLS
) -> list[float]:
    """`cost_over` inside a running event loop; `calls` in each round."""
    measured = [[await _round(call, calls) for call in (bare, *dressed)] for _ in range(ROUNDS)]
    return [statistics.median(row[at] - row[0] for row in measured) for at in range(1, len(dressed) + 1)]


async def _round(call: Callable[[], Awaitable[object]], calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        await call()
    return (time.process_time() - began) / calls * 1e6
