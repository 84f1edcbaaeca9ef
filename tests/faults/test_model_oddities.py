"""Odd but healthy: no failover, no mark, no delay."""

import pytest

from tests.faults.chain_bench import Bench
from yaoki.faults import ANSWER, FAULTS, Script
from yaoki.llm.chain.candidates import CandidatePolicy

PAUSE_S = 0.1
SPEAKS_OF_ITSELF = {
    "says_done": "data: [DONE]",
    "says_error": '{"error": {"code": 500}}',
}
CALLS = {"tool_call", "tool_call_at_once", "tool_call_stop"}
ODD = [fault.name for fault in FAULTS.values() if fault.healthy and fault.name not in CALLS]
AT = len(ANSWER) * 2 // 5
PATIENT = CandidatePolicy(first_token_timeout_s=10.0, idle_timeout_s=5.0, move_back_s=0.0)
"""For answers that are no test of a deadline: a provider that writes byte by byte is slow on a busy machine."""


@pytest.mark.requirement("M28")
@pytest.mark.parametrize("fault", ODD)
async def test_an_odd_answer_is_an_answer(fault: str) -> None:
    async with Bench(Script(fault=fault, pause_s=PAUSE_S), Script(), policy=PATIENT) as bench:
        told = await bench.ask()
        assert bench.providers[1].requests == []
    assert bench.first.fired[fault] == 1
    words = SPEAKS_OF_ITSELF.get(fault)
    told.assert_whole(f"{ANSWER[:AT]} {words} {ANSWER[AT:].lstrip()}" if words else ANSWER, failovers=0)
    assert told.continuations == []
    assert told.restarts == 0


@pytest.mark.requirement("M28")
@pytest.mark.parametrize("fault", ["left_open", "left_open_no_done", "comments_after", "finish_then_reset", "no_done"])
async def test_what_follows_the_finish_does_not_delay_the_end(fault: str) -> None:
    async with Bench(Script(fault=fault, pause_s=PAUSE_S), policy=PATIENT) as bench:
        told = await bench.ask()
    fired_at = bench.first.requests[0].fired_at
    assert fired_at is not None
    assert told.times[-1] - fired_at < PATIENT.idle_timeout_s / 2


@pytest.mark.requirement("M28")
async def test_thinking_for_longer_than_every_deadline_is_life() -> None:
    async with Bench(Script(fault="reasoning_first", pause_s=0.25), Script()) as bench:
        told = await bench.ask()
    told.assert_whole(ANSWER, failovers=0)
    assert told.first_word_s > 1.5
