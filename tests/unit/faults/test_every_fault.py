"""Every row of the table, played over a real socket."""

import asyncio
import re

import pytest

from tests.unit.faults.raw_client import exchange, text_and_finish
from yaoki.faults import ANSWER, FAULTS, Fault, Script, ScriptedProvider

ROWS = {"M1", "M2", "M3", "M4", "M5", "M6", "M9", "M10", "M11", "M12", "M13", "M14", "M15", "M16", "M17", "M18", "M19"}
ROWS |= {"M20", "M21", "M22", "M23", "M24", "M26", "M27", "M28"}
TALKS = [fault for fault in FAULTS.values() if fault.name != "refused"]
SAYS_MORE = {"says_done", "says_error"}
WITHIN_S = 15.0
CALLS = {"tool_call", "tool_call_at_once", "tool_call_stop"}
HEALTHY = [fault for fault in FAULTS.values() if fault.healthy and fault.name not in CALLS]


def named(fault: Fault) -> str:
    return fault.name


def test_the_table_covers_the_rows_of_the_fault_list() -> None:
    assert {fault.row for fault in FAULTS.values()} == ROWS


def test_at_least_19_odd_answers_are_healthy() -> None:
    assert len(HEALTHY) >= 19
    assert {fault.row for fault in HEALTHY} == {"M28"}


def test_names_are_plain_words() -> None:
    assert all(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", name) for name in FAULTS)


@pytest.mark.parametrize("fault", TALKS, ids=named)
async def test_it_fires_once_for_one_request(fault: Fault) -> None:
    async with ScriptedProvider(Script(fault=fault.name, pause_s=0.02)) as provider, asyncio.timeout(WITHIN_S):
        asking = asyncio.create_task(exchange(provider.base_url, quiet_s=WITHIN_S, within_s=WITHIN_S))
        await provider.until(lambda it: bool(it.fired))
        asking.cancel()
        await asyncio.wait({asking})
        assert provider.fired == {fault.name: 1}
        [record] = provider.requests
        assert record.fault == fault.name
        assert record.fired_at is not None


QUIET_S = 1.0
PATIENCE_S = {"byte_by_byte": 15.0}
"""A hundred thousand packets take a while on a busy machine."""


@pytest.mark.parametrize("fault", HEALTHY, ids=named)
async def test_an_odd_answer_is_whole(fault: Fault) -> None:
    async with ScriptedProvider(Script(fault=fault.name, pause_s=0.02)) as provider:
        taken = await exchange(provider.base_url, quiet_s=QUIET_S, within_s=PATIENCE_S.get(fault.name, 2.5))
    text, finish = text_and_finish(taken.body)
    assert finish is not None
    assert finish.lower() in {"stop", "end_turn", "eos", "stop_sequence"}
    assert text == ANSWER or fault.name in SAYS_MORE


@pytest.mark.parametrize("fault", [f for f in TALKS if f.row in {"M11", "M12", "M13"}], ids=named)
async def test_a_broken_answer_is_never_whole(fault: Fault) -> None:
    async with ScriptedProvider(Script(fault=fault.name)) as provider:
        taken = await exchange(provider.base_url)
    assert b'"finish_reason": "stop"' not in taken.raw


@pytest.mark.parametrize("fault", [f for f in TALKS if f.row == "M12"], ids=named)
async def test_a_reset_is_a_reset(fault: Fault) -> None:
    async with ScriptedProvider(Script(fault=fault.name)) as provider:
        assert (await exchange(provider.base_url)).end == "reset"


@pytest.mark.parametrize("fault", [f for f in TALKS if not f.whole], ids=named)
async def test_a_request_that_is_not_streamed_gets_a_cut_or_a_whole_document(fault: Fault) -> None:
    async with ScriptedProvider(Script(fault=fault.name)) as provider:
        taken = await exchange(provider.base_url, stream=False)
    promised = int(taken.headers["content-length"])
    assert (len(taken.body) == promised) == fault.healthy
