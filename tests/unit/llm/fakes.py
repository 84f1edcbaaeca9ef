"""An upstream that says what a test tells it to: a fake of the port, for what real sockets cannot time exactly."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from yaoki.errors import AIOrchestrationError, ModelUnavailableError
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain, ChainPolicy
from yaoki.llm.deltas import Delta, Finish, HalfAnswer, Item, Restart, Text
from yaoki.resilience.breaker import BreakerPolicy, CircuitBreaker
from yaoki.resilience.notices import Notices

Line = Delta | AIOrchestrationError | Callable[[], Awaitable[Any]]


async def hold() -> None:
    """Wait until somebody closes the request."""
    await asyncio.get_running_loop().create_future()


def says(text: str, reason: Any = "stop") -> list[Line]:
    """A whole answer, a word at a time."""
    words = [Text(word) for word in text.replace(" ", "\0 ").split("\0") if word]
    return [*words, Finish(reason)]


class FakeUpstream:
    """Plays one script per request; the last one stays."""

    def __init__(self, *scripts: list[Line], prefill: bool | AIOrchestrationError = True) -> None:
        self.scripts = list(scripts)
        self.prefill = prefill
        self.asked: list[HalfAnswer | None] = []
        self.requests: list[Any] = []
        self.probes = 0
        self.pings = 0
        self.dead = False
        self.open = 0
        self.closed = False

    async def stream(self, request: Any, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        self.asked.append(half)
        self.requests.append(request)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        self.open += 1
        try:
            for line in script:
                if isinstance(line, AIOrchestrationError):
                    raise line
                if callable(line):
                    await line()
                else:
                    yield line
        finally:
            self.open -= 1

    async def honours_prefill(self) -> bool:
        self.probes += 1
        if isinstance(self.prefill, AIOrchestrationError):
            raise self.prefill
        return self.prefill

    async def ping(self) -> None:
        self.pings += 1
        if self.dead:
            raise ModelUnavailableError("down")

    async def aclose(self) -> None:
        self.closed = True


def candidate(name: str, upstream: FakeUpstream, *, threshold: int = 5, **policy: Any) -> Candidate:
    """A candidate on a fake."""
    breaker = CircuitBreaker(name, BreakerPolicy(threshold=threshold))
    return Candidate(name=name, upstream=upstream, breaker=breaker, policy=CandidatePolicy(**policy))


def chain_of(
    *upstreams: FakeUpstream, notices: Notices | None = None, ends: ChainPolicy | None = None, **policy: Any
) -> Chain:
    """A chain of candidates a, b, c … on fakes."""
    candidates = [candidate("abcdef"[at], upstream, **policy) for at, upstream in enumerate(upstreams)]
    return Chain(candidates, policy=ends, rng=random.Random(1), notices=notices)


class Told:
    """What a person was told."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    @property
    def text(self) -> str:
        """What stands on the page."""
        text = ""
        for item in self.items:
            if isinstance(item, Restart):
                text = ""
            elif isinstance(item, Text):
                text += item.text
        return text

    def of(self, kind: type[Any]) -> list[Any]:
        """The items of one type."""
        return [item for item in self.items if isinstance(item, kind)]

    async def hear(self, chain: Chain, budget: TurnBudget | None = None, **asked: Any) -> "Told":
        """Take everything that the chain says."""
        async for item in chain.stream("question", budget or TurnBudget(), **asked):
            self.items.append(item)
        return self
