"""Models that refuse before they say anything: the next one answers, and nothing but a mark is seen of it."""

import pytest

from tests.faults.chain_bench import FAILOVER_S, FIRST_TOKEN_S, Bench
from yaoki.faults import ANSWER, FAULTS, Script

REFUSALS = {
    "M1": "model.rate_limited",
    "M2": "model.rate_limited",
    "M3": "model.quota_exceeded",
    "M5": "model.overloaded",
    "M22": "model.context_overflow",
    "M23": "model.authentication",
    "M24": "model.not_found",
}


def faults_of(*rows: str) -> list[str]:
    return [fault.name for fault in FAULTS.values() if fault.row in rows]


@pytest.mark.requirement("M4", "P-5")
@pytest.mark.parametrize("fault", faults_of("M4"))
async def test_a_server_error_goes_to_the_next_model_at_once(fault: str) -> None:
    async with Bench(Script(fault=fault), Script()) as bench:
        told = await bench.ask()
    told.assert_whole(ANSWER, failovers=1)
    assert told.failovers[0].kind in ("model.unavailable", "model.overloaded", "model.timeout")
    assert not told.failovers[0].mid_stream
    assert bench.first.fired[fault] == len(bench.first.requests) == 1
    assert bench.failover_s <= FAILOVER_S


@pytest.mark.requirement("M4")
@pytest.mark.parametrize("fault", faults_of("M4"))
async def test_a_server_error_of_the_only_model_is_tried_again_at_most_twice(fault: str) -> None:
    async with Bench(Script(fault=fault, times=2, retry_after_s=0.1)) as bench:
        told = await bench.ask()
    told.assert_whole(ANSWER, failovers=0)
    assert len(bench.first.requests) == 3


@pytest.mark.requirement("M6")
async def test_a_refused_connection_costs_less_than_a_second() -> None:
    async with Bench(Script(fault="refused"), Script(), threshold=3) as bench:
        for count in range(1, 4):
            told = await bench.ask()
            told.assert_whole(ANSWER, failovers=1)
            assert told.failovers[0].kind == "model.unavailable"
            assert told.first_word_s < 1.0
            assert bench.states[0] == ("open" if count == 3 else "closed")
        told = await bench.ask()
        told.assert_whole(ANSWER, failovers=0)  # the open breaker is not asked again
        assert bench.first.fired["refused"] == 1
        assert bench.first.requests == []


@pytest.mark.requirement("M7")
async def test_a_name_that_nobody_knows_is_bounded_and_counts() -> None:
    nowhere = "http://no-such-host.invalid:1/v1"
    async with Bench(Script(), Script(), threshold=2, first_url=nowhere) as bench:
        for state in ("closed", "open"):
            told = await bench.ask()
            told.assert_whole(ANSWER, failovers=1)
            assert told.first_word_s <= FIRST_TOKEN_S + FAILOVER_S
            assert bench.states[0] == state
        told = await bench.ask()
        told.assert_whole(ANSWER, failovers=0)


@pytest.mark.requirement("M1", "M2", "M3", "M5", "M22", "M23", "M24")
@pytest.mark.parametrize("row, kind", REFUSALS.items())
async def test_a_refusal_is_known_by_its_kind(row: str, kind: str) -> None:
    for fault in faults_of(row):
        async with Bench(Script(fault=fault), Script()) as bench:
            told = await bench.ask()
            assert bench.first.fired[fault] == 1
        told.assert_whole(ANSWER, failovers=1)
        assert told.failovers[0].kind == kind


@pytest.mark.requirement("M1")
async def test_a_rate_limit_of_the_only_model_is_obeyed_within_the_deadline() -> None:
    async with Bench(Script(fault="rate_limited", times=1, retry_after_s=0.7)) as bench:
        told = await bench.ask()
    told.assert_whole(ANSWER, failovers=0)
    refused, answered = bench.first.requests
    assert answered.at - refused.at >= 0.7


@pytest.mark.requirement("M1", "M2", "M4", "M5")
@pytest.mark.parametrize("fault", faults_of("M1", "M2", "M4", "M5"))
async def test_a_model_that_keeps_refusing_is_not_asked_beyond_the_budget(fault: str) -> None:
    async with Bench(Script(fault=fault, retry_after_s=0.05), Script(fault="http_500")) as bench:
        told = await bench.ask(max_attempts=4, deadline_s=5.0)
    assert told.failure is not None
    assert told.text == ""
    assert told.finishes == []
    assert sum(len(provider.requests) for provider in bench.providers) <= 4


@pytest.mark.requirement("M3", "M23", "M24")
@pytest.mark.parametrize("fault", faults_of("M3", "M23", "M24"))
async def test_what_no_retry_can_heal_is_not_tried_again(fault: str) -> None:
    async with Bench(Script(fault=fault)) as bench:
        told = await bench.ask(deadline_s=5.0)
    assert told.failure is not None
    assert len(bench.first.requests) == 1
