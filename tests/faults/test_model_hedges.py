"""A model whose first byte is slow now and then: the next one answers those calls, over real sockets."""

import pytest

from tests.faults.chain_bench import Bench, Told
from yaoki.faults import Script
from yaoki.llm.chain.candidates import CandidatePolicy
from yaoki.llm.chain.health import ENOUGH_FOR_A_TAIL

SLOW_S = 4.0
CALM, CALLS, EVERY = ENOUGH_FOR_A_TAIL + 12, 30, 10
SHARE = 0.25
QUICK = Script(answer="Seven ships.")
SLOW = Script(answer="Seven ships.", first_token_s=SLOW_S)


async def asked(share: float) -> tuple[list[Told], int]:
    """Calm calls, then calls of which one in `EVERY` is slow; and how often the second model was asked."""
    policy = CandidatePolicy(first_token_timeout_s=20.0, idle_timeout_s=20.0, move_back_s=0.0, hedge_share=share)
    async with Bench(QUICK, QUICK, policy=policy) as bench:
        for _ in range(CALM):
            await bench.ask(deadline_s=60)
        told: list[Told] = []
        for number in range(CALLS):
            await bench.first.play(SLOW if number % EVERY == EVERY - 1 else QUICK)
            told.append(await bench.ask(deadline_s=60))
        return told, sum(request.kind == "answer" for request in bench.providers[1].requests)


@pytest.mark.slow
@pytest.mark.requirement("M9")
async def test_no_slow_first_byte_is_waited_for_where_hedging_is_on() -> None:
    told, hedges = await asked(SHARE)
    for answer in told:
        answer.assert_whole("Seven ships.", failovers=0)
        assert answer.first_word_s < SLOW_S
    assert CALLS / EVERY <= hedges <= SHARE * (CALM + CALLS)


@pytest.mark.slow
@pytest.mark.requirement("M9")
async def test_without_hedging_a_slow_first_byte_is_waited_for_and_nobody_else_is_asked() -> None:
    told, hedges = await asked(0.0)
    assert sum(answer.first_word_s >= SLOW_S for answer in told) == CALLS // EVERY
    assert hedges == 0
