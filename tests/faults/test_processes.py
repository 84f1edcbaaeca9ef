"""The server's own process dies, or is told to stop: nothing acknowledged is lost, nothing shown is shown twice."""

import asyncio
import signal
from pathlib import Path

import httpx2
import pytest

from tests.faults.harness import RESUMED_S, Stage
from tests.faults.seeds import seeded
from tests.faults.stages import shared_stage, stage
from yaoki.faults import ANSWER, Script
from yaoki.resilience.clock import SYSTEM_CLOCK

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SLOW_TOKEN_S = 0.02
DEADLY = 4
"""Deaths without a word of an answer that a turn survives."""


@pytest.mark.requirement("P1", "P-1", "P-6")
async def test_killed_before_the_model_call_the_turn_is_run_after_the_restart(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    first = await stage.ask()
    await first.until_text(30)
    waiting = (await stage.send(first.session, "And then?")).json()["turn_id"]
    assert len(stage.first.asked) == 1, "the second turn waits in line: no model was called for it"
    began = SYSTEM_CLOCK.monotonic()
    await stage.server.restart()
    await first.connect()
    await first.until(lambda it: bool(it.marks("resumed")), within_s=RESUMED_S)
    assert SYSTEM_CLOCK.monotonic() - began <= RESUMED_S
    await first.until_ended()
    first.turn = waiting
    await first.until_ended()
    first.assert_whole(ANSWER)
    history = (await stage.history(first.session))["messages"]
    assert [message["content"] for message in history] == ["How many ships?", ANSWER, "And then?", ANSWER]


@pytest.mark.requirement("P1", "P-1")
async def test_killed_at_once_after_the_acknowledgement_the_message_is_answered(stage: Stage) -> None:
    await stage.play(Script(), Script(), Script())
    for _ in range(3):
        session = await stage.session()
        accepted = await stage.send(session, "How many ships?", id="m-1")
        await stage.server.restart()
        page = await stage.page(session)
        page.turn = accepted.json()["turn_id"]
        await page.until_ended()
        page.assert_whole(ANSWER)
        again = await stage.send(session, "How many ships?", id="m-1")
        assert (again.status_code, again.json()) == (200, accepted.json())


@pytest.mark.requirement("P2", "P-1", "P-2", "P-3", "P-6")
async def test_killed_mid_stream_the_same_run_is_continued_to_one_end(stage: Stage) -> None:
    rng = seeded()
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    for _ in range(3):
        page = await stage.ask()
        await page.until_text(rng.randrange(1, 350))
        await stage.server.restart()
        await page.connect()
        await page.until_ended()
        page.assert_whole(ANSWER)
        assert len(page.marks("resumed")) == 1
        assert {frame.body["runId"] for frame in page.frames if frame.type == "RUN_STARTED"} == {page.turn}


@pytest.mark.requirement("P2", "P-3")
async def test_killed_three_times_over_one_answer_it_is_still_one_answer(stage: Stage) -> None:
    rng = seeded()
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    for _ in range(3):
        await page.until_text(len(page.text) + rng.randrange(10, 60))
        await stage.server.restart()
        await page.connect()
    await page.until_ended()
    page.assert_whole(ANSWER)


@pytest.mark.requirement("P2", "M11", "P-3")
async def test_killed_while_a_cancelled_turn_winds_up_it_ends_as_cancelled(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    await page.until_text(30)
    await stage.cancel(page.session)
    await stage.server.restart()
    await page.connect()
    await page.until_ended()
    page.assert_ended("cancelled")
    assert ANSWER.startswith(page.text)


@pytest.mark.requirement("P4", "P-3")
async def test_killed_after_a_commit_that_nobody_was_sent_it_is_replayed_once(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    await page.until_text(30)
    await page.cut()
    shown = page.text
    watcher = await stage.page(page.session)
    await watcher.until(lambda it: len(it.text) >= len(shown) + 40)
    await stage.server.restart()
    await page.connect()
    await page.until_ended()
    page.assert_whole(ANSWER)
    assert len([frame for frame in page.frames if frame.mark == "resumed"]) == 1


@pytest.mark.requirement("P4", "P-1", "P-3")
async def test_killed_after_the_end_was_written_it_is_told_once(stage: Stage) -> None:
    page = await stage.ask()
    await page.until_text(1)
    await page.cut()
    watcher = await stage.page(page.session)
    watcher.turn = page.turn
    await watcher.until_ended()
    await stage.server.restart()
    await page.connect()
    await page.until_ended()
    page.assert_whole(ANSWER)
    assert page.marks("resumed") == []


@pytest.mark.requirement("P5", "P-7")
async def test_told_to_stop_it_lets_a_turn_end_takes_nothing_new_and_says_when_to_come_back(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    await page.until_text(200)
    stage.server.signal(signal.SIGTERM)
    async with stage.settling():
        while (await stage.http.get("/readyz")).status_code == 200:
            await stage.tick()
    refused = await stage.send(page.session, "One more?")
    assert refused.status_code == 503
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert float(refused.headers["retry-after"]) > 0
    assert await stage.server.ended() == 0
    await page.until(lambda it: it.ended)
    page.assert_whole(ANSWER)
    guidance = [frame.body["value"] for frame in page.frames if frame.mark == "guidance"]
    assert [(one["state"], one["action"]) for one in guidance] == [("restarting", "reconnect")]
    assert guidance[0]["retry_after_s"] > 0
    await stage.server.start()
    await page.connect(last_id=guidance[0]["resume_from"])
    await page.until(lambda it: it.frames[-1].mark == "heartbeat")
    page.assert_whole(ANSWER)


@pytest.mark.requirement("P5", "P-3")
async def test_told_to_stop_it_hands_a_long_turn_over_to_its_next_start(stage: Stage) -> None:
    await stage.play(Script(token_s=0.1), Script(), Script())
    page = await stage.ask()
    await page.until_text(30)
    stage.server.signal(signal.SIGTERM)
    assert await stage.server.ended() == 0
    assert page.terminals == []
    await stage.play(Script(), Script(), Script())
    await stage.server.start()
    await page.connect()
    await page.until_ended()
    page.assert_whole(ANSWER)


@pytest.mark.requirement("P6", "P-3")
async def test_told_to_stop_twice_it_is_fast_and_safe(tmp_path: Path) -> None:
    patience_s = 20.0  # far longer than the answer takes, so only a turn that is not waited for is left open
    async with Stage(tmp_path, Script(token_s=0.1), limits={"drain_s": patience_s}) as stage:
        page = await stage.ask()
        await page.until_text(30)
        began = SYSTEM_CLOCK.monotonic()
        stage.server.signal(signal.SIGTERM)
        async with stage.settling():
            while (await stage.http.get("/readyz")).status_code == 200:
                await stage.tick()
        stage.server.signal(signal.SIGTERM)
        assert await stage.server.ended() == 0
        assert SYSTEM_CLOCK.monotonic() - began < patience_s
        await stage.play(Script())
        await stage.server.start()
        await page.connect()
        await page.until_ended()
        page.assert_whole(ANSWER)
        assert page.marks("resumed")


@pytest.mark.requirement("P-6")
async def test_a_frozen_server_that_wakes_goes_on(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    await page.until_text(60)
    stage.server.signal(signal.SIGSTOP)
    with pytest.raises(httpx2.TimeoutException):
        await stage.http.get("/livez", timeout=2.0)
    stage.server.signal(signal.SIGCONT)
    await page.until_ended()
    page.assert_whole(ANSWER)


@pytest.mark.requirement("P2", "P-6")
async def test_ten_sessions_cut_by_one_kill_all_go_on(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    pages = [await stage.ask() for _ in range(10)]
    await asyncio.gather(*(page.until_text(40) for page in pages))
    await stage.server.restart()
    await asyncio.gather(*(page.connect() for page in pages))
    await asyncio.gather(*(page.until_ended() for page in pages))
    for page in pages:
        page.assert_whole(ANSWER)


@pytest.mark.requirement("P10", "P-1", "P-7")
@pytest.mark.timeout(120)
async def test_a_turn_that_dies_with_the_server_again_and_again_is_parked_and_others_go_on(stage: Stage) -> None:
    silent = Script(fault="never_answers")
    await stage.play(silent, silent, silent)
    page = await stage.ask()
    for deaths in range(1, DEADLY + 1):
        await stage.first.until(lambda it, deaths=deaths: len(it.asked) >= deaths)
        await stage.server.restart()
    await page.connect()
    await page.until_ended()
    body = page.assert_ended("parked")
    assert body["code"] == "agent.parked"
    assert body["message"]
    await stage.play(Script(), Script(), Script())
    other = await stage.ask()
    await other.until_ended()
    other.assert_whole(ANSWER)
    again = await stage.http.post(f"/ai/sessions/{page.session}/recover")
    assert again.status_code == 202, again.text
    page.turn = again.json()["turn_id"]
    await page.until(lambda it: any(frame.body.get("runId") == it.turn for frame in it.terminals))
    assert page.text == ANSWER
