"""A second fault while the first one heals: a cancel, another cut, a lost client, a killed server."""

import pytest

from tests.faults.harness import FAILOVER_S, Stage
from tests.faults.seeds import seeded
from tests.faults.stages import shared_stage, stage
from yaoki.faults import ANSWER, Script

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

FIRST_FAULTS = {
    "M4": "http_500",
    "M6": "refused",
    "M9": "never_answers",
    "M10": "comments_mid_stream",
    "M11": "cut_mid_stream",
    "M12": "reset_mid_stream",
    "M13": "error_event",
    "M14": "bad_json",
    "M15": "empty",
    "M16": "html",
    "M17": "blanks",
}
SLOW_TOKEN_S = 0.02
pairs = pytest.mark.parametrize("fault", FIRST_FAULTS.values(), ids=FIRST_FAULTS)


@pytest.mark.requirement("M4", "M6", "M9", "M10", "M11", "M12", "M13", "M14", "M15", "M16", "M17", "P-1")
@pairs
async def test_a_cancel_during_the_heal_ends_the_turn_as_cancelled(stage: Stage, fault: str) -> None:
    await stage.play(Script(fault=fault, pause_s=0.1), Script(token_s=SLOW_TOKEN_S), Script())
    page = await stage.ask()
    await page.until(lambda it: bool(it.marks("failover")))
    await page.until_text(len(page.text) + 20)
    await stage.cancel(page.session)
    await page.until_ended(within_s=FAILOVER_S)
    assert stage.first.fired[fault] == 1
    page.assert_ended("cancelled")
    assert ANSWER.startswith(page.text)
    await stage.providers[1].until(lambda it: it.asked[0].left)
    [_, answer] = (await stage.history(page.session))["messages"]
    assert (answer["content"], answer["outcome"]) == (page.text, "cancelled")


@pytest.mark.requirement("M4", "M6", "M9", "M10", "M11", "M12", "M13", "M14", "M15", "M16", "M17", "P-3")
@pairs
async def test_another_cut_during_the_heal_is_healed_too(stage: Stage, fault: str) -> None:
    rng = seeded()
    second = rng.choice(["cut_mid_stream", "reset_in_event", "stall_mid_stream", "error_event_status"])
    await stage.play(Script(fault=fault, pause_s=0.1), Script(fault=second, at=rng.randrange(150)), Script())
    page = await stage.ask()
    await page.until_ended()
    assert (stage.first.fired[fault], stage.providers[1].fired[second]) == (1, 1)
    page.assert_whole(ANSWER)
    assert [mark["to"] for mark in page.marks("failover")] == ["m1", "m2"]


@pytest.mark.requirement("M4", "M6", "M9", "M10", "M11", "M12", "M13", "M14", "M15", "M16", "M17", "C1", "P-3")
@pairs
async def test_a_client_that_drops_during_the_heal_resumes_it(stage: Stage, fault: str) -> None:
    await stage.play(Script(fault=fault, pause_s=0.1), Script(token_s=SLOW_TOKEN_S), Script())
    page = await stage.ask()
    await page.until(lambda it: bool(it.marks("failover")))
    await page.cut()
    await page.connect()
    await page.until_text(len(page.text) + 20)
    await page.cut()
    await page.connect()
    await page.until_ended()
    assert stage.first.fired[fault] == 1
    page.assert_whole(ANSWER)


@pytest.mark.requirement("M4", "M6", "M9", "M10", "M11", "M12", "M13", "M14", "M15", "M16", "M17", "P2", "P-3", "P-6")
@pairs
async def test_a_server_killed_during_the_heal_goes_on_with_it(stage: Stage, fault: str) -> None:
    rng = seeded()
    await stage.play(Script(fault=fault, pause_s=0.1), Script(token_s=SLOW_TOKEN_S), Script())
    page = await stage.ask()
    await page.until(lambda it: bool(it.marks("failover")))
    await page.until_text(len(page.text) + rng.randrange(100))
    await stage.server.restart()  # how soon it goes on is asserted in test_processes
    assert stage.first.fired[fault] >= 1
    await page.connect()
    await page.until(lambda it: bool(it.marks("resumed")))
    await page.until_ended()
    page.assert_whole(ANSWER)
    assert len(page.marks("resumed")) == 1
    [_, answer] = (await stage.history(page.session))["messages"]
    assert (answer["content"], answer["outcome"]) == (ANSWER, "completed")
