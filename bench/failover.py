"""How long the next model waits to be asked, from the moment in which the first one's fault can be seen."""

import asyncio
import statistics
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx2

from bench.figures import Bound
from yaoki.faults import Script, ScriptedProvider
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.llm.wire.request import WireRequest
from yaoki.resilience.breaker import BreakerPolicy, CircuitBreaker

ROUNDS = 20
LIMIT_MS = 300.0
IDLE_S = 0.2
FAULTS = {
    "http_500": "a 500",
    "error_event": "an error in mid-stream",
    "cut_mid_stream": "a cut in mid-stream",
    "reset_mid_stream": "a reset in mid-stream",
    "stall_mid_stream": "silence in mid-stream, from its deadline",
}
_REQUEST = WireRequest({"messages": [{"role": "user", "content": "How many ships?"}]})


def figures() -> Iterator[Bound]:
    """One for each way to fail; the slowest of the rounds is shown too."""
    for fault, what in FAULTS.items():
        waits_ms = asyncio.run(_waits_ms(fault))
        yield Bound(
            name=f"{what} → the next model is asked, over sockets, median of {ROUNDS}",
            value=statistics.median(waits_ms),
            worst=max(waits_ms),
            unit="ms",
            limit=LIMIT_MS,
        )


async def _waits_ms(fault: str) -> list[float]:
    deadline_s = IDLE_S if fault == "stall_mid_stream" else 0.0
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(ScriptedProvider(Script(fault=fault)))
        second = await stack.enter_async_context(ScriptedProvider(Script()))
        chain = Chain([_candidate("first", first), _candidate("second", second)])
        stack.push_async_callback(chain.aclose)
        for _ in range(ROUNDS):
            async for _ in chain.stream(_REQUEST, TurnBudget()):
                pass
        fired = [record.fired_at for record in first.asked if record.fired_at is not None]
        return [1e3 * (asked.at - at - deadline_s) for at, asked in zip(fired, second.asked, strict=True)]


def _candidate(name: str, provider: ScriptedProvider) -> Candidate:
    return Candidate(
        name=name,
        upstream=openai_upstream(model=name, base_url=provider.base_url, transport=httpx2.AsyncHTTPTransport()),
        breaker=CircuitBreaker(name, BreakerPolicy(threshold=10_000)),
        policy=CandidatePolicy(idle_timeout_s=IDLE_S, move_back_s=0.0),
    )
