"""A late first token: who is asked, too, who answers, and what is left of whoever was slower."""

import asyncio
import random
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.llm.fakes import FakeUpstream, Line, Told, candidate, hold, says
from yaoki.errors import ModelAllFailedError, ModelUnavailableError
from yaoki.llm.chain.allowance import MOST, Allowance
from yaoki.llm.chain.attempt import About
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain.health import ENOUGH_FOR_A_TAIL, Health
from yaoki.llm.chain.notices import Hedged
from yaoki.llm.deltas import Failover, Finish, Usage
from yaoki.resilience.breaker import CircuitBreaker, Permit
from yaoki.resilience.notices import Notices

LATE_S = 0.02


def quick(name: str, upstream: FakeUpstream, *, share: float = 1.0) -> Candidate:
    """A candidate that has always been quick, and may be hedged at its next call."""
    made = candidate(name, upstream, hedge_share=share, continuation="prefill", move_back_s=0.0)
    for _ in range(ENOUGH_FOR_A_TAIL):
        made.health.answered(LATE_S, 10, 0.0)
    return made


class CountingBreaker(CircuitBreaker):
    """Remembers the permits that it gave."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.permits: list[Permit] = []

    def admit(self) -> Permit:
        self.permits.append(super().admit())
        return self.permits[-1]


def after(seconds: float, *lines: Line) -> list[Line]:
    """The lines, so late."""
    return [lambda: asyncio.sleep(seconds), *lines]


@pytest.mark.requirement("M9")
async def test_a_late_first_token_lets_the_next_candidate_answer() -> None:
    answer: list[Line] = [*says("Seven ships.")[:-1], Usage(40, 3), Finish("stop")]
    slow, other, notices = FakeUpstream([hold]), FakeUpstream(answer), Notices()
    hedges: list[Hedged] = []
    notices.subscribe(Hedged, hedges.append)
    first, budget = quick("a", slow), TurnBudget()
    told = await Told().hear(Chain([first, quick("b", other)], notices=notices), budget, about=About(prompt_tokens=40))
    assert told.text == "Seven ships."
    assert hedges == [Hedged("a", "b", "b")]
    assert (slow.open, first.breaker.admits, told.of(Failover)) == (0, True, [])
    assert (budget.requests, budget.attempts_left) == (2, 6)
    assert (budget.input_tokens, budget.output_tokens, budget.estimated_tokens) == (80, 3, 40)


@pytest.mark.requirement("M9")
async def test_who_was_late_answers_if_it_is_faster_after_all() -> None:
    late, other = FakeUpstream(after(0.1, *says("Seven ships."))), FakeUpstream([hold])
    budget = TurnBudget()
    told = await Told().hear(Chain([quick("a", late), quick("b", other)]), budget)
    assert (told.text, len(other.asked), other.open) == ("Seven ships.", 1, 0)
    assert (budget.requests, budget.attempts_left) == (2, 6)


async def test_nobody_is_asked_in_time() -> None:
    other = FakeUpstream(says("No."))
    told = await Told().hear(Chain([quick("a", FakeUpstream(says("Seven ships."))), quick("b", other)]))
    assert (told.text, other.asked) == ("Seven ships.", [])


@pytest.mark.parametrize("share", [0.0, 0.9])
async def test_without_a_share_left_the_late_one_is_waited_for(share: float) -> None:
    late, other = FakeUpstream(after(0.1, *says("Seven ships."))), FakeUpstream(says("No."))
    told = await Told().hear(Chain([quick("a", late, share=share), quick("b", other)]))
    assert (told.text, other.asked) == ("Seven ships.", [])


async def test_a_candidate_whose_usual_time_is_not_known_is_waited_for() -> None:
    late, other = FakeUpstream(after(0.1, *says("Seven ships."))), FakeUpstream(says("No."))
    fresh = candidate("a", late, hedge_share=1.0)
    assert (await Told().hear(Chain([fresh, quick("b", other)]))).text == "Seven ships."
    assert other.asked == []


@pytest.mark.requirement("P-5")
async def test_a_budget_for_one_request_starts_one() -> None:
    late, other = FakeUpstream(after(0.1, *says("Seven ships."))), FakeUpstream(says("No."))
    await Told().hear(Chain([quick("a", late), quick("b", other)]), TurnBudget(max_attempts=1))
    assert other.asked == []


@pytest.mark.requirement("M9")
async def test_nobody_is_asked_past_a_breaker() -> None:
    late, other = FakeUpstream(after(0.1, *says("Seven ships."))), FakeUpstream(says("No."))
    second = quick("b", other)
    second.breaker.isolate()
    assert (await Told().hear(Chain([quick("a", late), second]))).text == "Seven ships."
    assert other.asked == []


@pytest.mark.requirement("M6")
async def test_a_late_one_that_fails_is_said_to_be_left() -> None:
    failing = FakeUpstream(after(0.1, ModelUnavailableError("down")))
    other = FakeUpstream(after(0.3, *says("Seven ships.")))
    budget = TurnBudget()
    told = await Told().hear(Chain([quick("a", failing), quick("b", other)]), budget)
    assert told.text == "Seven ships."
    assert [(item.from_model, item.to_model) for item in told.of(Failover)] == [("a", "b")]
    assert (len(other.asked), budget.attempts_left) == (1, 5)


async def test_a_second_one_that_fails_changes_nothing() -> None:
    late, down = FakeUpstream(after(0.15, *says("Seven ships."))), FakeUpstream([ModelUnavailableError("down")])
    budget = TurnBudget()
    told = await Told().hear(Chain([quick("a", late), quick("b", down)]), budget)
    assert (told.text, told.of(Failover), budget.attempts_left) == ("Seven ships.", [], 5)


async def test_of_two_that_fail_both_are_told() -> None:
    down = [FakeUpstream(after(wait_s, ModelUnavailableError("down"))) for wait_s in (0.1, 0.15)]
    with pytest.raises(ModelAllFailedError) as failed:
        await Told().hear(Chain([quick("a", down[0]), quick("b", down[1])]), TurnBudget(max_attempts=2))
    attempts: Any = failed.value.facts["attempts"]
    assert [attempt["model"] for attempt in attempts] == ["a", "b"]


@pytest.mark.requirement("M11", "P-3")
async def test_a_winner_that_is_cut_is_continued_by_whoever_was_late() -> None:
    late = FakeUpstream([hold], says(" ships."))
    cut = FakeUpstream([*says("Seven ships.")[:2], ModelUnavailableError("cut")], [ModelUnavailableError("down")])
    told = await Told().hear(Chain([quick("a", late), quick("b", cut)]))
    assert told.text == "Seven ships."
    left = [(failover.from_model, failover.to_model, failover.mid_stream) for failover in told.of(Failover)]
    assert left == [("b", "a", True)]
    assert (late.open, cut.open) == (0, 0)


@given(
    waits=st.tuples(st.sampled_from([0.0, 0.005, 0.03, 9.0]), st.sampled_from([0.0, 0.01, 9.0])),
    fails=st.tuples(st.booleans(), st.booleans()),
    leaves_after_s=st.sampled_from([0.0, 0.01, 0.021, 0.03, 0.05]),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_leaving_at_any_time_leaves_nothing(
    waits: tuple[float, float], fails: tuple[bool, bool], leaves_after_s: float, seed: int
) -> None:
    async def run() -> None:
        ends = [[ModelUnavailableError("down")] if fail else says("Seven ships.") for fail in fails]
        upstreams = [FakeUpstream(after(wait_s, *end)) for wait_s, end in zip(waits, ends, strict=True)]
        candidates = [quick(name, upstream) for name, upstream in zip("ab", upstreams, strict=True)]
        breakers = [CountingBreaker(each.name) for each in candidates]
        for each, breaker in zip(candidates, breakers, strict=True):
            each.breaker = breaker
        chain = Chain(candidates, rng=random.Random(seed))

        async def listen() -> None:
            async with aclosing(chain.stream("question", TurnBudget(5.0, 3))) as items:
                async for _ in items:
                    pass

        listening = asyncio.create_task(listen())
        await asyncio.wait({listening}, timeout=leaves_after_s)
        listening.cancel()
        await asyncio.wait({listening})
        if not listening.cancelled():
            listening.exception()
        await chain.aclose()
        assert [upstream.open for upstream in upstreams] == [0, 0]
        assert all("spent" in repr(permit) for breaker in breakers for permit in breaker.permits)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_a_share_is_never_exceeded_in_the_long_run() -> None:
    allowance, taken = Allowance(0.05), 0
    for _ in range(2_000):
        allowance.earn()
        taken += allowance.take()
    assert 99 <= taken <= 100
    for _ in range(2_000):
        allowance.earn()
    assert sum(allowance.take() for _ in range(50)) == MOST


def test_the_tail_is_known_after_enough_answers() -> None:
    health = Health()
    for number in range(1, ENOUGH_FOR_A_TAIL):
        health.answered(number / 100, 10, 0.0)
    assert health.tail_first_token_s is None
    health.answered(0.2, 10, 0.0)
    assert health.tail_first_token_s == 0.2
