"""Models that keep a person waiting: only tokens are life, and a missed deadline is the next model's turn."""

import pytest

from tests.faults.chain_bench import FAILOVER_S, FIRST_TOKEN_S, IDLE_S, Bench
from yaoki.faults import ANSWER, Script

SILENT = ["never_answers", "slow_first_byte", "slow_first_token"]
TRICKLES = [
    "trickling_head",
    "comments_only",
    "unfinished_comment",
    "empty_deltas_only",
    "null_deltas_only",
    "blank_document",
]
STALLS = ["stall_mid_stream", "stall_in_event", "comments_mid_stream"]
LONG_S = 30.0
"""Longer than any deadline here."""


@pytest.mark.requirement("M9")
@pytest.mark.parametrize("fault", SILENT)
async def test_silence_before_the_first_token_ends_at_its_deadline(fault: str) -> None:
    async with Bench(Script(fault=fault, pause_s=LONG_S), Script()) as bench:
        told = await bench.ask()
        assert bench.first.fired[fault] == 1
        assert bench.first.requests[0].left
    told.assert_whole(ANSWER, failovers=1)
    assert told.failovers[0].kind == "model.timeout"
    assert bench.providers[1].requests[0].at - told.asked >= FIRST_TOKEN_S - 0.1  # a busy provider sees it late
    assert bench.failover_s <= FIRST_TOKEN_S + FAILOVER_S


@pytest.mark.requirement("M9")
async def test_a_first_token_just_in_time_is_no_fault() -> None:
    async with Bench(Script(fault="slow_first_byte", pause_s=FIRST_TOKEN_S / 2), Script()) as bench:
        told = await bench.ask()
    told.assert_whole(ANSWER, failovers=0)
    assert bench.first.fired["slow_first_byte"] == 1


@pytest.mark.requirement("M10")
@pytest.mark.parametrize("fault", TRICKLES)
async def test_bytes_that_are_no_token_do_not_extend_the_deadline(fault: str) -> None:
    async with Bench(Script(fault=fault, pause_s=0.1), Script()) as bench:
        told = await bench.ask()
        assert bench.first.fired[fault] == 1
    told.assert_whole(ANSWER, failovers=1)
    assert told.failovers[0].kind == "model.timeout"
    assert bench.failover_s <= FIRST_TOKEN_S + FAILOVER_S


@pytest.mark.requirement("M10", "P-3")
@pytest.mark.parametrize("fault", STALLS)
async def test_silence_after_some_text_ends_at_the_idle_deadline_and_the_text_goes_on(fault: str) -> None:
    async with Bench(Script(fault=fault, pause_s=0.1), Script()) as bench:
        told = await bench.ask()
        assert bench.first.fired[fault] == 1
    told.assert_whole(ANSWER, failovers=1)
    assert told.failovers[0].kind == "model.timeout"
    assert told.failovers[0].mid_stream
    assert bench.failover_s <= IDLE_S + FAILOVER_S


@pytest.mark.requirement("M10", "P-5", "P-2")
async def test_a_drip_that_keeps_every_deadline_but_the_last_ends_with_the_turn() -> None:
    async with Bench(Script(fault="slow_drip", pause_s=0.05), Script()) as bench:
        told = await bench.ask(deadline_s=1.5)
        assert bench.first.fired["slow_drip"] == 1
        assert bench.first.requests[0].left
    assert told.failure is not None
    assert told.finishes == []
    assert told.failure.facts["shown_chars"] == len(told.text) > 0
    assert told.took_s <= 1.5 + FAILOVER_S
