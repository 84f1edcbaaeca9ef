"""Keys that are refused or spent, and names that are gone: parked, told, and not asked again in the meantime."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.chain_bench import Bench
from yaoki.faults import ANSWER, Script
from yaoki.llm.chain.candidates import Candidate
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain.notices import Parked
from yaoki.llm.upstreams.keys import KeyedUpstream
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.resilience.breaker import CircuitBreaker
from yaoki.resilience.notices import Notices
from yaoki.testing import FakeClock

KINDS = {
    "quota_spent": "model.quota_exceeded",
    "unauthorized": "model.authentication",
    "forbidden": "model.authentication",
    "model_not_found": "model.not_found",
}
KEYS = [fault for fault, kind in KINDS.items() if kind != "model.not_found"]


@asynccontextmanager
async def keyed(bench: Bench, *keys: str, clock: FakeClock | None = None) -> AsyncIterator[list[Parked]]:
    """The bench's first model behind so many keys; gives what is told of them."""
    notices, parked = Notices(), list[Parked]()
    notices.subscribe(Parked, parked.append)
    first, *others = bench.chain.candidates
    clock = clock or FakeClock()
    upstreams = [openai_upstream(model="m0", base_url=bench.first.base_url, api_key=key) for key in keys]
    candidate = Candidate(
        name="m0", upstream=KeyedUpstream(upstreams, clock=clock), breaker=CircuitBreaker("m0"), clock=clock
    )
    bench.chain = Chain([candidate, *others], notices=notices)
    try:
        yield parked
    finally:
        await candidate.upstream.aclose()
        await first.upstream.aclose()


def keys_of(bench: Bench) -> list[str]:
    return [request.headers["authorization"].removeprefix("Bearer ") for request in bench.first.requests]


@pytest.mark.requirement("M3", "M23", "M24")
@pytest.mark.parametrize("fault", KINDS)
async def test_a_model_whose_only_key_is_refused_rests_and_it_is_told(fault: str) -> None:
    async with Bench(Script(fault=fault), Script()) as bench, keyed(bench, "one") as parked:
        told = await bench.ask()
        told.assert_whole(ANSWER, failovers=1)
        assert told.failovers[0].kind == KINDS[fault]
        (await bench.ask()).assert_whole(ANSWER, failovers=0)
    assert len(bench.first.requests) == 1
    assert parked == [Parked("m0", KINDS[fault], "model")]


@pytest.mark.requirement("M3", "M23")
@pytest.mark.parametrize("fault", KEYS)
async def test_the_next_key_takes_over_before_the_model_rests(fault: str) -> None:
    async with Bench(Script(fault=fault, times=1), Script()) as bench, keyed(bench, "one", "two") as parked:
        for _ in range(2):
            (await bench.ask()).assert_whole(ANSWER, failovers=0)
        assert keys_of(bench) == ["one", "two", "two"]
        assert bench.providers[1].requests == []
        assert bench.states[0] == "closed"
    assert parked == [Parked("m0", KINDS[fault], "key")]


@pytest.mark.requirement("M3", "M23")
@pytest.mark.parametrize("fault", KEYS)
async def test_when_every_key_is_refused_the_next_model_answers(fault: str) -> None:
    async with Bench(Script(fault=fault), Script()) as bench, keyed(bench, "one", "two") as parked:
        (await bench.ask()).assert_whole(ANSWER, failovers=1)
        (await bench.ask()).assert_whole(ANSWER, failovers=0)
        assert keys_of(bench) == ["one", "two"]
    assert [notice.what for notice in parked] == ["key", "model"]


@pytest.mark.requirement("M3", "M23")
async def test_the_preferred_model_and_its_first_key_come_back() -> None:
    clock = FakeClock()
    quota = (Script(fault="quota_spent", times=2), Script())
    async with Bench(quota, Script()) as bench, keyed(bench, "one", "two", clock=clock):
        (await bench.ask()).assert_whole(ANSWER, failovers=1)
        clock.move(301.0)
        (await bench.ask()).assert_whole(ANSWER, failovers=0)
        assert keys_of(bench) == ["one", "two", "one"]


@pytest.mark.requirement("P-5")
async def test_every_key_that_is_tried_costs_an_attempt() -> None:
    async with Bench(Script(fault="unauthorized")) as bench, keyed(bench, "one", "two", "three"):
        told = await bench.ask(max_attempts=2)
        assert told.failure is not None
        assert keys_of(bench) == ["one", "two"]
