"""What models make of half an answer, and what a person sees of it."""

import pytest

from tests.faults.chain_bench import Bench
from yaoki.faults import ANSWER, BEHAVIOURS, Behaviour, Script

CUT = Script(fault="cut_mid_stream", at=180, times=1)
HONEST = ("honour", "vllm")


@pytest.mark.requirement("M11", "P-3")
@pytest.mark.parametrize("instruction", [b for b in BEHAVIOURS if b != "vllm"])
@pytest.mark.parametrize("prefill", BEHAVIOURS)
async def test_whatever_the_next_model_does_with_half_an_answer_the_page_is_whole(
    prefill: Behaviour, instruction: Behaviour
) -> None:
    async with Bench(CUT, Script(prefill=prefill, instruction=instruction)) as bench:
        told = await bench.ask()
    assert bench.first.fired["cut_mid_stream"] == 1
    told.assert_page(ANSWER)
    if prefill in HONEST:
        assert told.restarts == 0


@pytest.mark.requirement("M11", "P-3")
async def test_a_model_that_begins_again_is_left_for_one_that_goes_on() -> None:
    stubborn = Script(prefill="refuse", instruction="ignore", again="Let me tell you about ships. There were many.")
    async with Bench(CUT, stubborn, Script()) as bench:
        told = await bench.ask()
    told.assert_whole(ANSWER, failovers=2)


@pytest.mark.requirement("P-3", "P-7")
async def test_when_nobody_goes_on_the_answer_begins_again_once_and_says_so() -> None:
    again = "Let me tell you about ships. There were many."
    cut = Script(fault="cut_mid_stream", at=180, times=1, prefill="refuse", instruction="refuse")
    stubborn = Script(prefill="refuse", instruction="ignore", again=again, answer=again)
    async with Bench(cut, stubborn) as bench:
        told = await bench.ask()
    assert bench.first.fired["cut_mid_stream"] == 1
    assert told.restarts == 1
    told.assert_page(told.text)
    assert told.text in (ANSWER, again)
