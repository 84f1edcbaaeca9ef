"""A 200 that is no answer, and an answer that says nothing: the provider's fault, and the next model's turn."""

import pytest

from tests.faults.chain_bench import FAILOVER_S, Bench
from yaoki.faults import ANSWER, FAULTS, Script

EMPTY = [fault.name for fault in FAULTS.values() if fault.row == "M15"]
STRANGE = [fault.name for fault in FAULTS.values() if fault.row == "M16"]


@pytest.mark.requirement("M15", "P-2")
@pytest.mark.parametrize("fault", EMPTY)
async def test_an_empty_completion_goes_to_another_model(fault: str) -> None:
    async with Bench(Script(fault=fault), Script()) as bench:
        told = await bench.ask()
    assert bench.first.fired[fault] == 1
    told.assert_whole(ANSWER, failovers=1)
    assert bench.failover_s <= FAILOVER_S


@pytest.mark.requirement("M15", "P-2")
async def test_empty_everywhere_is_no_success() -> None:
    async with Bench(Script(fault="empty"), Script(fault="blanks_then_stop")) as bench:
        told = await bench.ask(deadline_s=4.0)
    assert told.failure is not None
    assert told.text.strip() == ""
    assert told.finishes == []


@pytest.mark.requirement("M16", "P-2")
@pytest.mark.parametrize("fault", STRANGE)
async def test_a_page_an_error_or_a_redirect_is_the_providers_fault(fault: str) -> None:
    async with Bench(Script(fault=fault), Script()) as bench:
        told = await bench.ask()
    assert bench.first.fired[fault] == len(bench.first.requests) == 1
    told.assert_whole(ANSWER, failovers=1)
    assert not told.failovers[0].mid_stream
    assert bench.failover_s <= FAILOVER_S


@pytest.mark.requirement("M16")
@pytest.mark.parametrize("fault", STRANGE)
async def test_half_an_answer_is_not_continued_with_a_page(fault: str) -> None:
    async with Bench(Script(fault="cut_mid_stream"), Script(fault=fault), Script()) as bench:
        told = await bench.ask()
    assert bench.providers[1].fired[fault] == 1
    told.assert_whole(ANSWER, failovers=2)
