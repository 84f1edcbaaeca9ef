"""Every model fault again, through a real server, seen from a page: one end, the whole text, a mark, in time."""

import pytest

from tests.faults.harness import FAILOVER_S, FIRST_TOKEN_S, IDLE_S, Stage
from tests.faults.stages import shared_stage, stage
from yaoki.faults import ANSWER, FAULTS, Script

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

CHANGED = {"wrong_choices", "wrong_content", "slow_drip", "endless", "repeating"}
"""These have tests of their own below, or in the files about the chain."""
HEALED = [
    fault.name
    for fault in FAULTS.values()
    if fault.row in {f"M{number}" for number in (4, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17)} - {"M28"}
    and fault.name not in CHANGED
]
MID_STREAM = {fault.name for fault in FAULTS.values() if not fault.whole} - {
    "slow_first_byte",
    "slow_first_token",
    "comments_only",
    "unfinished_comment",
    "empty_deltas_only",
    "null_deltas_only",
    "blank_deltas_only",
    "blank_document",
    "cut_before_first_token",
    "reset_before_first_token",
    "cut_after_reasoning",
    "reset_after_reasoning",
    "length_too_short",
    "error_event_first",
    "not_gzip",
    "empty",
    "blanks_then_stop",
    "reasoning_then_stop",
    "done_only",
    "endless_reasoning",
}
UNDATED = {"refused", "endless_reasoning"}
"""Nobody can say when these were proven: no connection was taken, or nothing but a limit tells."""
ODD = [fault.name for fault in FAULTS.values() if fault.healthy and not fault.name.startswith(("tool_call", "says_"))]


@pytest.mark.requirement("M4", "M6", "M9", "M10", "M11", "M12", "M13", "M14", "M15", "M16", "M17")
@pytest.mark.requirement("P-1", "P-2", "P-3", "P-6", "P-7")
@pytest.mark.parametrize("fault", HEALED)
async def test_a_faulty_model_costs_a_mark_and_no_text(stage: Stage, fault: str) -> None:
    pause_s = 30.0 if fault in ("slow_first_byte", "slow_first_token") else 0.1
    await stage.play(Script(fault=fault, pause_s=pause_s, retry_after_s=0), Script(), Script())
    page = await stage.ask()
    await page.until_ended()
    assert stage.first.fired[fault] == 1
    page.assert_whole(ANSWER)
    [mark] = page.marks("failover")
    assert (mark["from"], mark["to"]) == ("m0", "m1")
    assert mark["phase"] == ("mid_stream" if fault in MID_STREAM else "before_first_token")
    assert (mark["atChar"] > 0) == (fault in MID_STREAM)
    assert len(page.marks("continued")) == (fault in MID_STREAM)
    if fault not in UNDATED:
        assert stage.failover_s <= max(FIRST_TOKEN_S, IDLE_S) + FAILOVER_S
    [_, answer] = (await stage.history(page.session))["messages"]
    assert (answer["content"], answer["outcome"]) == (ANSWER, "completed")


@pytest.mark.requirement("M28")
@pytest.mark.parametrize("fault", ODD)
async def test_an_odd_model_costs_nothing(stage: Stage, fault: str) -> None:
    await stage.play(Script(fault=fault, pause_s=0.1), Script(), Script())
    page = await stage.ask()
    await page.until_ended()
    assert stage.first.fired[fault] == 1
    page.assert_whole(ANSWER)
    assert page.marks("failover") == page.marks("continued") == page.marks("reset") == []


@pytest.mark.requirement("M18", "P-2")
@pytest.mark.parametrize("fault", ["length", "length_max_tokens", "length_upper"])
async def test_an_answer_at_its_limit_says_so(stage: Stage, fault: str) -> None:
    await stage.play(Script(fault=fault, at=166), Script(), Script())
    page = await stage.ask()
    await page.until_ended()
    assert stage.first.fired[fault] == 1
    body = page.assert_ended("output_limit")
    assert body["result"]["message"]
    assert page.text == ANSWER[:166]


@pytest.mark.requirement("M19", "P-2")
@pytest.mark.parametrize("fault", ["filtered", "filtered_first", "filtered_safety", "refusal"])
async def test_a_filtered_answer_says_so(stage: Stage, fault: str) -> None:
    await stage.play(Script(fault=fault, at=166), Script(), Script())
    page = await stage.ask()
    await page.until_ended()
    assert stage.first.fired[fault] == 1
    body = page.assert_ended("filtered")
    assert body["result"]["message"]


@pytest.mark.requirement("M17", "P-2")
async def test_text_without_end_is_ended_and_said_to_be(stage: Stage) -> None:
    await stage.play(Script(fault="endless", at=100), Script(), Script())
    page = await stage.ask()
    await page.until_ended()
    assert stage.first.fired["endless"] == 1
    page.assert_ended("output_limit")
    assert page.text.startswith(ANSWER[:100])


@pytest.mark.requirement("M17", "P-3")
async def test_the_same_words_over_and_over_are_taken_back(stage: Stage) -> None:
    await stage.play(Script(fault="repeating", at=100), Script(), Script())
    page = await stage.ask()
    await page.until_ended()
    assert stage.first.fired["repeating"] == 1
    page.assert_whole(ANSWER)
    assert len(page.marks("reset")) <= 1


@pytest.mark.requirement("M25", "P-2", "P-7")
async def test_when_every_model_is_down_an_honest_statement_stands_in(stage: Stage) -> None:
    await stage.play(Script(fault="http_503"), Script(fault="refused"), Script(fault="html"))
    page = await stage.ask("Is anybody there?")
    await page.until_ended()
    page.assert_ended("degraded")
    assert len(page.marks("degraded")) == 1
    assert page.text
    assert ANSWER[:20] not in page.text
    await stage.play(Script(), Script(), Script())
    again = await stage.ask()
    await again.until_ended()
    again.assert_whole(ANSWER)


@pytest.mark.requirement("M25", "P-2", "P-7")
async def test_when_every_model_is_down_the_same_question_gets_its_earlier_answer(stage: Stage) -> None:
    for scripts in (
        (Script(), Script(), Script()),
        (Script(fault="http_503"), Script(fault="refused"), Script(fault="html")),
    ):
        await stage.play(*scripts)
        page = await stage.ask("How many ships, again?")
        await page.until_ended()
    body = page.assert_ended("cached")
    assert body["result"]["message"]
    assert page.text == ANSWER
    assert len(page.marks("cached")) == 1
    assert page.marks("degraded") == []


@pytest.mark.requirement("M11", "P-2", "P-7")
async def test_half_an_answer_that_nobody_can_finish_is_said_to_be_half(stage: Stage) -> None:
    await stage.play(Script(fault="cut_mid_stream", at=166), Script(fault="http_500"), Script(fault="html"))
    page = await stage.ask()
    await page.until_ended()
    assert stage.first.fired["cut_mid_stream"] >= 1
    body = page.assert_ended("failed")
    assert body["code"].startswith("model.")
    assert body["message"]
    assert ANSWER.startswith(page.text)
    assert page.text


@pytest.mark.requirement("P-6")
async def test_faults_leave_no_descriptor_and_no_thread_behind(stage: Stage) -> None:
    await stage.play(Script(), Script(), Script())
    (await (warm := await stage.ask()).until_ended(), await warm.cut())
    process = stage.server.process
    before = process.num_fds(), process.num_threads(), process.memory_info().rss
    for fault in ("cut_mid_stream", "reset_mid_stream", "never_answers", "endless_event", "html", "trickling_head") * 4:
        await stage.play(Script(fault=fault, pause_s=0.1), Script(), Script())
        page = await stage.ask()
        await page.until_ended()
        await page.cut()
        assert stage.first.fired[fault] == 1
    async with stage.settling():
        while process.num_fds() > before[0] + 6 or process.num_threads() > before[1] + 4:
            await stage.tick()
    assert process.memory_info().rss < before[2] + 40_000_000
