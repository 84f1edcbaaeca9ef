"""A model that becomes slow is asked later for a while, over real sockets, and comes back by itself."""

import pytest

from tests.faults.chain_bench import Bench
from yaoki.faults import ANSWER, Script
from yaoki.llm.chain.health import BACK_S, ENOUGH, Health
from yaoki.testing import FakeClock


@pytest.mark.requirement("M9", "P-6")
async def test_a_model_that_becomes_slow_is_asked_later_and_comes_back() -> None:
    clock = FakeClock()
    async with Bench(Script(answer="First."), Script()) as bench:
        bench.chain.candidates[0].health = Health(clock=clock)
        for _ in range(ENOUGH):
            (await bench.ask()).assert_whole("First.", failovers=0)
        await bench.first.play(Script(answer="Late.", first_token_s=0.55))
        for _ in range(2):
            (await bench.ask()).assert_whole("Late.", failovers=0)
        (await bench.ask()).assert_whole(ANSWER, failovers=0)
        assert bench.states == ["closed", "closed"]
        clock.move(BACK_S)
        await bench.first.play(Script(answer="First."))
        (await bench.ask()).assert_whole("First.", failovers=0)
    assert len(bench.providers[1].requests) == 1
