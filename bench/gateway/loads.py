"""The ways to ask, and one round of asking: what it costs the gateway, and how long its clients wait."""

import asyncio
import json
import statistics
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.gateway.parts import WORDS
from bench.gateway.subjects import Subject
from yaoki.resilience.clock import SYSTEM_CLOCK

TEXT = "".join(WORDS)
_FIRST = WORDS[0].strip().encode()


@dataclass(frozen=True, slots=True)
class Load:
    """One way to ask.

    Attributes:
        requests: In one round, by how many ask at a time.
    """

    name: str
    streamed: bool
    model: str
    requests: dict[int, int]


WHOLE = Load("not streamed, the provider's answer in one piece", False, "bench-once", {1: 100, 16: 800, 64: 800})
STREAM = Load("streamed, 20 chunks", True, "bench-paced", {1: 30, 16: 320, 64: 640})
JOINED = Load("not streamed, from a provider that sends 20 chunks", False, "bench-paced", {16: 320})
LOADS = (WHOLE, STREAM, JOINED)


@dataclass(frozen=True, slots=True)
class Cost:
    """One round, or the median of several.

    Attributes:
        cpu_us: Microseconds of processor time an answer.
        wait_ms: Until the answer was whole, median.
        first_ms: Until its first word was there, median.
    """

    cpu_us: float
    wait_ms: float
    first_ms: float

    @classmethod
    def median(cls, rounds: list["Cost"]) -> "Cost":
        """Each figure's own median."""
        return cls(
            statistics.median(one.cpu_us for one in rounds),
            statistics.median(one.wait_ms for one in rounds),
            statistics.median(one.first_ms for one in rounds),
        )


async def ask(subject: Subject, load: Load, clients: int, *, share: float = 1.0) -> Cost:
    """One round.

    Args:
        share: Of the load's requests, for those that need longer for each.
    """
    each = max(2, round(load.requests[clients] * share / clients))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=subject.headers) as session:
        await asyncio.gather(*(_client(session, subject, load, 1) for _ in range(clients)))  # connections
        began = subject.cpu_s()
        rounds = await asyncio.gather(*(_client(session, subject, load, each) for _ in range(clients)))
        cpu_us = (subject.cpu_s() - began) / (each * clients) * 1e6
    waits = [wait for one in rounds for wait in one]
    return Cost(
        cpu_us,
        statistics.median(whole_s for _, whole_s in waits) * 1e3,
        statistics.median(first_s for first_s, _ in waits) * 1e3,
    )


async def _client(
    session: aiohttp.ClientSession, subject: Subject, load: Load, count: int
) -> list[tuple[float, float]]:
    """Seconds until the first word and until the end, of each answer."""
    messages = [{"role": "user", "content": "How many ships?"}]
    body = json.dumps({"model": load.model, "messages": messages, "stream": load.streamed}).encode()
    waits: list[tuple[float, float]] = []
    for _ in range(count):
        began = SYSTEM_CLOCK.monotonic()
        first_s, raw = 0.0, b""
        async with session.post(
            f"{subject.url}/chat/completions", data=body, headers={"content-type": "application/json"}
        ) as response:
            while piece := await response.content.readany():
                raw += piece
                if not first_s and _FIRST in raw:
                    first_s = SYSTEM_CLOCK.monotonic() - began
        waits.append((first_s, SYSTEM_CLOCK.monotonic() - began))
        if response.status != 200 or _text(raw, streamed=load.streamed) != TEXT:
            raise RuntimeError(f"{subject.name} answered {response.status}: {raw[:500]!r}")
    return waits


def _text(raw: bytes, *, streamed: bool) -> str:
    if not streamed:
        return json.loads(raw)["choices"][0]["message"]["content"]
    lines = [line[6:] for line in raw.decode().split("\n") if line.startswith("data: ") and line != "data: [DONE]"]
    chunks: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk.get("choices"))
