"""A store, a runner and a chain over scripted providers: everything of an instance but its ways in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from yaoki.faults import ScriptedProvider
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.orchestrator import Orchestrator
from yaoki.resilience.breaker import CircuitBreaker
from yaoki.resilience.notices import Notices
from yaoki.store.contract import Session
from yaoki.store.events import DomainEvent, TextDelta, TurnEnded
from yaoki.store.store import Store, open_store
from yaoki.turns.local_runner import LocalRunner
from yaoki.turns.turn import AgentPolicy, TurnRun

OWNER = "local"
WAIT_S = 25.0


@dataclass
class Instance:
    store: Store
    chain: Chain
    runner: LocalRunner
    orchestrator: Orchestrator
    providers: Sequence[ScriptedProvider]
    notices: Notices = field(default_factory=Notices)

    @classmethod
    async def start(cls, path: Path, providers: Sequence[ScriptedProvider], **policy: Any) -> Self:
        store = await open_store(path)
        candidates = [
            Candidate(
                name=name,
                upstream=openai_upstream(model=name, base_url=provider.base_url),
                breaker=CircuitBreaker(name),
                policy=CandidatePolicy(first_token_timeout_s=2.0, idle_timeout_s=0.5),
            )
            for name, provider in zip(("one", "two", "three"), providers, strict=False)
        ]
        notices = Notices()
        chain = Chain(candidates, notices=notices)
        agent = AgentPolicy(name="default", instructions="Be brief.", chain=chain, **policy)
        runner = LocalRunner(store, lambda turn: TurnRun(turn, agent, store, notices=notices))
        await runner.start()
        return cls(store, chain, runner, Orchestrator(store, runner, ("default",)), providers, notices)

    async def aclose(self) -> None:
        await self.runner.aclose()
        await self.chain.aclose()
        await self.store.aclose()

    async def session(self) -> Session:
        return await self.orchestrator.create_session(OWNER)

    async def events(
        self, session: Session, *, ends: int = 1, until: type[DomainEvent] = TurnEnded
    ) -> list[DomainEvent]:
        """The session's events from its first one, up to the `ends`-th of type `until`."""
        events: list[DomainEvent] = []
        with await self.orchestrator.tail(OWNER, session.id, 0) as tail:
            while sum(isinstance(event, until) for event in events) < ends:
                page = await tail.read(WAIT_S)
                assert page, f"nothing came for {WAIT_S} s after {events}"
                events += [stored.event for stored in page]
        return events

    async def ask(self, session: Session, content: str = "hello", **kwargs: str) -> list[DomainEvent]:
        """Send a message and wait for the end of its turn."""
        before = sum(isinstance(stored.event, TurnEnded) for stored in await self.store.log.read(session.id))
        await self.orchestrator.send(OWNER, session.id, content, **kwargs)
        return await self.events(session, ends=before + 1)


def text_of(events: Sequence[DomainEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def end_of(events: Sequence[DomainEvent]) -> TurnEnded:
    ends = [event for event in events if isinstance(event, TurnEnded)]
    assert len(ends) == 1, f"one terminal event, not {ends}"
    assert events[-1] is ends[0]
    return ends[0]
