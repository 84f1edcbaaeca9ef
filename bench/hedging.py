"""What hedging does to first tokens, and what it costs: the chain itself on a loop whose time is no machine's.

python -m bench.hedging [--calls N] [--seed N]

One call after the other, two providers alike and independent: a first token takes a log-normal time around 0.4 s, and
ten times as long in so many of 100 calls. No machine's latency is in these figures, and each row sees the same draws.
"""

import argparse
import asyncio
import random
import statistics
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from tests.streams.virtual_time import LoopClock, VirtualLoop
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.deltas import Delta, Finish, HalfAnswer, Text
from yaoki.resilience.breaker import CircuitBreaker

USUAL_S, SPREAD, TIMES = 0.4, 0.35, 10.0
SLOW = (0.02, 0.04, 0.08)
SHARES = (0.0, 0.02, 0.05, 0.1)
CALLS, SEED = 4_000, 1
CALM = 60
"""Calls before the first one that counts, none of them slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one share came to, with so many slow calls."""

    slow: float
    share: float
    p50_s: float
    p95_s: float
    p99_s: float
    extra_calls: float


class Provider:
    """Answers after the time that is drawn for its next call."""

    verified = True

    def __init__(self, seed: int, slow: float) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a simulation
        self._slow = slow
        self.calls = 0

    async def stream(self, request: Any, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:  # noqa: ARG002 - a port
        """One answer."""
        wait_s = self._rng.lognormvariate(0.0, SPREAD) * USUAL_S
        self.calls += 1
        await asyncio.sleep(wait_s * (TIMES if self._rng.random() < self._slow and self.calls > CALM else 1.0))
        yield Text("Seven ships.")
        yield Finish("stop")

    async def honours_prefill(self) -> bool:
        """Nobody asks."""
        return True

    async def ping(self) -> None:
        """It answers."""

    async def aclose(self) -> None:
        """It has nothing to close."""


def measure(slow: float, share: float, *, calls: int, seed: int) -> Row:
    """First tokens with a share, in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(_measure(slow, share, calls, seed))
    finally:
        loop.close()


async def _measure(slow: float, share: float, calls: int, seed: int) -> Row:
    clock = LoopClock()
    providers = [Provider(seed + number, slow) for number in range(2)]
    policy = CandidatePolicy(first_token_timeout_s=60.0, idle_timeout_s=60.0, move_back_s=0.0, hedge_share=share)
    chain = Chain(
        [
            Candidate(
                name=name,
                upstream=provider,
                breaker=CircuitBreaker(name, clock=clock),
                policy=policy,
                clock=clock,
            )
            for name, provider in zip("ab", providers, strict=True)
        ]
    )
    waits: list[float] = []
    for _ in range(CALM + calls):
        began = clock.monotonic()
        async with aclosing(chain.stream("question", TurnBudget(clock=clock))) as items:
            async for item in items:
                if isinstance(item, Text):
                    waits.append(clock.monotonic() - began)
                    break
    await chain.aclose()
    cuts = statistics.quantiles(waits[CALM:], n=100)
    return Row(
        slow=slow,
        share=share,
        p50_s=cuts[49],
        p95_s=cuts[94],
        p99_s=cuts[98],
        extra_calls=providers[1].calls / (CALM + calls),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.hedging", description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    print("| slow calls | hedge_share | p50 | p95 | p99 | calls more |\n|---|---|---|---|---|---|")
    for slow in SLOW:
        for share in SHARES:
            row = measure(slow, share, calls=options.calls, seed=options.seed)
            waits = " | ".join(f"{wait_s:.2f} s" for wait_s in (row.p50_s, row.p95_s, row.p99_s))
            print(f"| {slow:.0%} | {share:g} | {waits} | {row.extra_calls:.1%} |", flush=True)


if __name__ == "__main__":
    main()
