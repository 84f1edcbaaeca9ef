"""A candidate is measured against itself, and comes back."""

import asyncio

import pytest

from tests.unit.llm.fakes import FakeUpstream, Told, chain_of, hold, says
from yaoki.errors import ModelTimeoutError
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.health import BACK_S, ENOUGH, LONGEST, Health
from yaoki.llm.chain.notices import MovedBack
from yaoki.resilience.notices import Notices
from yaoki.testing import FakeClock


def practised(clock: FakeClock, first_token_s: float = 0.2, chars_per_s: float = 300.0) -> Health:
    health = Health(clock=clock)
    for _ in range(ENOUGH):
        assert not health.answered(first_token_s, int(chars_per_s * 2), 2.0)
    return health


def test_what_is_usual_is_not_known_from_a_few_answers() -> None:
    health = Health(clock=FakeClock())
    for _ in range(ENOUGH - 1):
        assert not health.answered(9.0, 10, 5.0)
    assert health.usual_first_token_s is None
    assert health.back_s == 0.0


@pytest.mark.parametrize("measures", [(2.0, 600, 2.0), (0.2, 100, 2.0)], ids=["late", "slow"])
def test_the_second_bad_answer_moves_it_back_and_half_a_minute_brings_it_home(
    measures: tuple[float, int, float],
) -> None:
    clock = FakeClock()
    health = practised(clock)
    assert not health.answered(*measures)
    assert health.answered(*measures)
    assert health.back_s == BACK_S
    clock.move(BACK_S)
    assert health.back_s == 0.0


def test_one_bad_answer_among_good_ones_is_nothing() -> None:
    health = practised(FakeClock())
    for _ in range(10):
        assert not health.answered(3.0, 600, 2.0)
        assert not any(health.answered(0.2, 600, 2.0) for _ in range(5))


def test_a_slow_model_is_measured_against_itself_only() -> None:
    health = practised(FakeClock(), first_token_s=4.0, chars_per_s=30.0)
    assert not any(health.answered(6.0, 40, 2.0) for _ in range(10))


def test_milliseconds_are_never_late() -> None:
    health = practised(FakeClock(), first_token_s=0.01)
    assert not any(health.answered(0.3, 600, 2.0) for _ in range(5))


def test_a_relapse_keeps_it_back_for_longer_up_to_a_bound() -> None:
    clock = FakeClock()
    health = practised(clock)
    backs: list[float] = []
    for _ in range(4):
        health.silent()
        assert health.silent()
        backs.append(health.back_s)
        clock.move(health.back_s + 1.0)
    assert backs == [BACK_S, 2 * BACK_S, LONGEST * BACK_S, LONGEST * BACK_S]
    clock.move(LONGEST * BACK_S)
    health.silent()
    health.silent()
    assert health.back_s == BACK_S


def test_it_may_be_left_where_it_is() -> None:
    health = Health(0.0, clock=FakeClock())
    assert not any(health.silent() for _ in range(9))
    assert health.back_s == 0.0


async def test_a_slow_candidate_is_asked_later_and_the_preferred_one_returns() -> None:
    notices, told = Notices(), list[MovedBack]()
    notices.subscribe(MovedBack, told.append)
    silent = [ModelTimeoutError("nothing came", fault="first_token")]
    first, second = FakeUpstream(silent, silent, says("From the first.")), FakeUpstream(says("From the second."))
    chain = chain_of(first, second, notices=notices)
    clock = FakeClock()
    chain.candidates[0].health = Health(clock=clock)
    for _ in range(3):
        assert (await Told().hear(chain)).text == "From the second."
    assert len(first.asked) == 2
    assert told == [MovedBack("a", BACK_S)]
    clock.move(BACK_S)
    assert (await Told().hear(chain)).text == "From the first."


async def test_the_only_candidate_is_asked_however_slow_it_is() -> None:
    only = FakeUpstream(says("Still here."))
    chain = chain_of(only)
    chain.candidates[0].health.silent()
    chain.candidates[0].health.silent()
    assert chain.candidates[0].health.back_s > 0
    assert (await Told().hear(chain, TurnBudget(5.0))).text == "Still here."


async def test_a_request_that_is_cancelled_before_its_first_token_says_nothing() -> None:
    chain = chain_of(upstream := FakeUpstream([hold]))
    for count in (1, 2, 3):
        asking = asyncio.create_task(Told().hear(chain))
        while len(upstream.asked) < count:
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait({asking})
    assert chain.candidates[0].health.back_s == 0.0
