"""The prober: a candidate that is back is used again, and no person's request finds that out."""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.unit.llm.fakes import FakeUpstream, candidate, says
from yaoki.errors import ModelUnavailableError
from yaoki.llm.chain.candidates import Candidate
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain.prober import LONGEST_S, PING_S, STEADY_S, Comeback, Prober
from yaoki.resilience.breaker import BreakerPolicy, CircuitBreaker

DOWN = ModelUnavailableError("down")


class HandClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def utcnow(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


def broken(upstream: FakeUpstream, clock: HandClock, break_s: float = 60.0) -> Candidate:
    breaker = CircuitBreaker("a", BreakerPolicy(threshold=1, break_s=break_s), clock=clock)
    one = Candidate(name="a", upstream=upstream, breaker=breaker, clock=clock)
    one.admit(anyway=False).lost(DOWN)
    return one


async def tick(prober: Prober, clock: HandClock, seconds: float) -> None:
    """One look of the prober, so much later."""
    clock.now += seconds
    due = [one for one, comeback in prober._candidates.items() if comeback.due(refused=one.breaker.state != "closed")]
    await asyncio.gather(*(prober._ask(one) for one in due))


@pytest.mark.requirement("P-6")
async def test_a_candidate_that_is_back_is_used_again_long_before_its_break_is_over() -> None:
    upstream, clock = FakeUpstream(says("hi")), HandClock()
    upstream.dead = True
    one = broken(upstream, clock)
    prober = Prober([one], clock=clock)
    await tick(prober, clock, 0)
    assert upstream.pings == 0
    await tick(prober, clock, PING_S)
    assert (upstream.pings, one.healthy) == (1, False)
    upstream.dead = False
    await tick(prober, clock, PING_S)
    assert (upstream.pings, one.healthy) == (2, True)


async def test_a_candidate_that_comes_and_goes_is_asked_less_often() -> None:
    clock = HandClock()
    comeback = Comeback(clock)
    pauses: list[float] = []
    for _ in range(6):
        comeback.due(refused=True)
        waited = 0.0
        while not comeback.due(refused=True):
            clock.now += 0.5
            waited += 0.5
        pauses.append(waited)
        comeback.asked(back=True)
        comeback.due(refused=False)
    assert pauses == [PING_S, 10.0, 20.0, 40.0, LONGEST_S, LONGEST_S]
    clock.now += STEADY_S
    comeback.due(refused=True)
    clock.now += PING_S
    assert comeback.due(refused=True)


async def test_while_it_is_probed_a_half_open_breaker_admits_nobodys_request() -> None:
    upstream, clock = FakeUpstream(says("hi")), HandClock()
    one = broken(upstream, clock, break_s=1.0)
    clock.now += 2
    assert one.healthy
    prober = Prober([one], clock=clock)
    prober.start()
    assert one.breaker.state == "half_open"
    assert not one.healthy
    await prober.aclose()
    assert one.healthy


async def test_a_probe_that_fails_in_half_open_opens_the_breaker_again() -> None:
    upstream, clock = FakeUpstream(says("hi")), HandClock()
    upstream.dead = True
    one = broken(upstream, clock, break_s=4.0)
    prober = Prober([one], clock=clock)
    await tick(prober, clock, 0)
    await tick(prober, clock, PING_S)
    assert one.breaker.state == "open"


async def test_whoever_is_held_open_by_hand_is_not_asked() -> None:
    upstream, clock = FakeUpstream(says("hi")), HandClock()
    one = candidate("a", upstream)
    one.breaker.isolate()
    comeback = Comeback(clock)
    clock.now += 100
    assert not comeback.due(refused=one.breaker.state in ("open", "half_open"))


async def test_two_chains_do_not_ask_the_same_candidate_twice() -> None:
    shared = candidate("a", FakeUpstream(says("hi")))
    first, second = Prober([shared]), Prober([shared])
    first.start()
    second.start()
    assert (list(first._candidates), list(second._candidates)) == ([shared], [])
    await second.aclose()
    assert shared.probed
    await first.aclose()
    assert not shared.probed


async def test_closing_the_chain_ends_its_background_work() -> None:
    before = asyncio.all_tasks()
    chain = Chain([candidate("a", FakeUpstream(says("hi"), prefill=DOWN))])
    chain.warm()
    await asyncio.sleep(0)
    await chain.aclose()
    assert asyncio.all_tasks() == before
