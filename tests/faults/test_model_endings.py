"""Answers that will not end, or end otherwise than with "stop": closed, and said to be what they are."""

import pytest

from tests.faults.chain_bench import FIRST_TOKEN_S, IDLE_S, Bench
from yaoki.faults import ANSWER, FAULTS, Script
from yaoki.llm.chain.candidates import CandidatePolicy

LIMITED = [fault.name for fault in FAULTS.values() if fault.row == "M18"]
SMALL = CandidatePolicy(first_token_timeout_s=FIRST_TOKEN_S, idle_timeout_s=IDLE_S, max_output_tokens=200)
HALF = 166
LONGEST_TOKEN = 64


@pytest.mark.requirement("M17", "P-3")
async def test_the_same_words_over_and_over_are_taken_back_and_another_model_begins_again() -> None:
    async with Bench(Script(fault="repeating", at=HALF), Script()) as bench:
        told = await bench.ask()
        await bench.first.until(lambda it: it.requests[0].left)
    assert bench.first.fired["repeating"] == 1
    assert (told.output, told.finishes) == (ANSWER, ["stop"])
    assert told.restarts <= 1


@pytest.mark.requirement("M17", "P-2")
async def test_text_without_end_is_ended_and_said_to_be() -> None:
    async with Bench(Script(fault="endless", at=HALF), Script(), policy=SMALL) as bench:
        told = await bench.ask()
        assert bench.first.fired["endless"] == 1
        await bench.first.until(lambda it: it.requests[0].left)
    assert told.finishes == ["length"]
    assert told.text.startswith(ANSWER[:HALF])
    assert len(told.text) <= SMALL.max_output_tokens * LONGEST_TOKEN
    assert told.output == told.text


@pytest.mark.requirement("M17", "P-3")
@pytest.mark.parametrize("fault", ["blanks", "zero_width"])
async def test_blanks_without_end_are_never_shown_and_the_text_goes_on(fault: str) -> None:
    async with Bench(Script(fault=fault, at=HALF), Script()) as bench:
        told = await bench.ask()
        assert bench.first.fired[fault] == 1
        await bench.first.until(lambda it: it.requests[0].left)
    told.assert_whole(ANSWER, failovers=1)


@pytest.mark.requirement("M17")
@pytest.mark.parametrize("fault", ["endless_reasoning", "endless_event", "endless_head"])
async def test_what_nobody_sees_without_end_goes_to_the_next_model(fault: str) -> None:
    async with Bench(Script(fault=fault), Script(), policy=SMALL) as bench:
        told = await bench.ask()
        assert bench.first.fired[fault] == 1
        await bench.first.until(lambda it: it.requests[0].left)
    told.assert_whole(ANSWER, failovers=1)


@pytest.mark.requirement("M18", "P-2")
@pytest.mark.parametrize("fault", LIMITED)
async def test_an_answer_cut_at_its_limit_says_so(fault: str) -> None:
    async with Bench(Script(fault=fault, at=HALF), Script()) as bench:
        told = await bench.ask()
    assert bench.first.fired[fault] == 1
    assert told.finishes in (["length"], ["stop"])
    assert told.text == (ANSWER[:HALF] if told.finishes == ["length"] else ANSWER)


@pytest.mark.requirement("M19", "P-2")
@pytest.mark.parametrize("fault", ["filtered", "filtered_safety"])
async def test_a_filtered_answer_is_not_a_success(fault: str) -> None:
    async with Bench(Script(fault=fault, at=HALF), Script()) as bench:
        told = await bench.ask()
    assert bench.first.fired[fault] == 1
    assert told.finishes == ["content_filter"]
    assert told.text == ANSWER[:HALF]
