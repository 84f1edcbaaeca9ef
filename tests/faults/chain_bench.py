"""The chain on a bench: an agent on a `ChainModel` in front of scripted providers, over real sockets."""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx2
from pydantic_ai import Agent

import yaoki.llm.upstreams.openai_chat  # noqa: F401 - else the first request imports 570 modules within its first-token deadline
from yaoki.errors import ModelAllFailedError
from yaoki.faults import Script, ScriptedProvider
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain_model import ChainModel
from yaoki.llm.deltas import Continuation, Failover, Finish, Item, Restart, Text
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.resilience.breaker import BreakerPolicy, CircuitBreaker
from yaoki.resilience.clock import SYSTEM_CLOCK

FIRST_TOKEN_S = 0.6
IDLE_S = 0.5
FAILOVER_S = 2.0
"""How long after the missed deadline, or the byte that proves the fault, the next model must have been asked."""


@dataclass(slots=True)
class Told:
    """What a person was told, in order, with the monotonic time of each item."""

    items: list[Item] = field(default_factory=list[Item])
    times: list[float] = field(default_factory=list[float])
    output: str = ""
    failure: ModelAllFailedError | None = None
    asked: float = 0.0
    ended: float = 0.0

    @property
    def text(self) -> str:
        """What stands on the page."""
        text = ""
        for item in self.items:
            if isinstance(item, Text):
                text += item.text
            elif isinstance(item, Restart):
                text = ""
        return text

    @property
    def finishes(self) -> list[str]:
        return [item.reason for item in self.items if isinstance(item, Finish)]

    @property
    def failovers(self) -> list[Failover]:
        return [item for item in self.items if isinstance(item, Failover)]

    @property
    def continuations(self) -> list[Continuation]:
        return [item for item in self.items if isinstance(item, Continuation)]

    @property
    def restarts(self) -> int:
        return sum(1 for item in self.items if isinstance(item, Restart))

    @property
    def took_s(self) -> float:
        return self.ended - self.asked

    @property
    def first_word_s(self) -> float:
        """Seconds from the question to the first text."""
        return next(at for item, at in zip(self.items, self.times, strict=True) if isinstance(item, Text)) - self.asked

    def assert_page(self, text: str) -> None:
        """The page shows exactly `text`, and one end; what the agent got is the same."""
        assert self.failure is None, self.failure
        assert self.text == text
        assert self.output == text
        assert self.finishes == ["stop"]
        assert isinstance(self.items[-1], Finish)

    def assert_whole(self, text: str, *, failovers: int) -> None:
        """That, with so many failovers, each marked, and without a restart."""
        self.assert_page(text)
        assert len(self.failovers) == failovers, self.failovers
        assert self.restarts == 0

    async def sink(self, item: Item) -> None:
        self.items.append(item)
        self.times.append(SYSTEM_CLOCK.monotonic())


class Bench:
    """Scripted providers in order of preference, the first script for the first one, and a chain over them.

    Args:
        scripts: One per provider; a sequence is played in order.
        policy: What the chain expects of each of them.
        threshold: Failures in a row that open a breaker.
        first_url: Where the first candidate looks for its provider instead.
    """

    def __init__(
        self,
        *scripts: Script | tuple[Script, ...],
        policy: CandidatePolicy | None = None,
        threshold: int = 5,
        first_url: str = "",
    ) -> None:
        self.providers = [ScriptedProvider(*(script if isinstance(script, tuple) else (script,))) for script in scripts]
        self._policy = policy or CandidatePolicy(
            first_token_timeout_s=FIRST_TOKEN_S, idle_timeout_s=IDLE_S, move_back_s=0.0
        )
        self._threshold = threshold
        self._first_url = first_url
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        candidates: list[Candidate] = []
        for number, provider in enumerate(self.providers):
            await self._stack.enter_async_context(provider)
            name = f"m{number}"
            upstream = openai_upstream(
                model=name,
                base_url=(self._first_url if number == 0 else "") or provider.base_url,
                max_output_tokens=self._policy.max_output_tokens,
                transport=httpx2.AsyncHTTPTransport(verify=False),  # plain HTTP: no certificates are read for it
            )
            breaker = CircuitBreaker(name, BreakerPolicy(threshold=self._threshold))
            candidates.append(Candidate(name=name, upstream=upstream, breaker=breaker, policy=self._policy))
        self.chain = Chain(candidates, rng=random.Random(0))
        self._stack.push_async_callback(self.chain.aclose)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def first(self) -> ScriptedProvider:
        return self.providers[0]

    @property
    def states(self) -> list[str]:
        """The breakers' states."""
        return [str(candidate.breaker.state) for candidate in self.chain.candidates]

    @property
    def failover_s(self) -> float:
        """Seconds from the first provider's fault to the request that reached the second one."""
        fired_at = self.first.requests[0].fired_at
        assert fired_at is not None
        return self.providers[1].requests[0].at - fired_at

    async def ask(
        self, told: Told | None = None, *, resume_text: str = "", deadline_s: float = 20.0, max_attempts: int = 6
    ) -> Told:
        """Run an agent for one answer; a chain that gave up is told too."""
        told = told or Told()
        told.asked = SYSTEM_CLOCK.monotonic()
        budget = TurnBudget(deadline_s, max_attempts)
        model = ChainModel(self.chain, budget, sink=told.sink, resume_text=resume_text)
        try:
            async with asyncio.timeout(deadline_s + FAILOVER_S):
                told.output = (await Agent(model).run("How many ships?")).output
        except ModelAllFailedError as failure:
            told.failure = failure
        told.ended = SYSTEM_CLOCK.monotonic()
        return told
