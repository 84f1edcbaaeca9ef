"""What clients do to a stream, and what a stream does to clients: it is resumed by id, and the turn goes on."""

import asyncio

import httpx2
import pytest

from tests.faults.harness import Stage
from tests.faults.page import Frame, events
from tests.faults.seeds import seeded
from tests.faults.stages import shared_stage, stage
from yaoki.faults import ANSWER, Script

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SLOW_TOKEN_S = 0.01


@pytest.mark.requirement("C1", "P-3")
async def test_a_dropped_stream_is_resumed_by_id_however_often_it_drops(stage: Stage) -> None:
    rng = seeded()
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    for _ in range(6):
        await page.until_text(min(len(ANSWER), len(page.text) + rng.randrange(1, 70)))
        await page.cut()
        await page.connect()
    await page.until_ended()
    page.assert_whole(ANSWER)


@pytest.mark.requirement("C10", "C1", "P-3")
async def test_a_stream_that_breaks_inside_a_frame_is_resumed_from_the_last_whole_one(stage: Stage) -> None:
    rng = seeded()
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    session = await stage.session()
    page = await stage.page(session)
    await page.cut()
    page.turn = (await stage.send(session, "How many ships?")).json()["turn_id"]
    while not page.terminals:
        await page.connect(max_bytes=rng.randrange(40, 3_000))
        await page.until(lambda it: it.ended)
    page.assert_whole(ANSWER)


@pytest.mark.requirement("C10", "P-7")
async def test_a_quiet_stream_shows_that_it_lives(stage: Stage) -> None:
    page = await stage.page(await stage.session())
    await page.until(lambda it: sum(frame.mark == "heartbeat" for frame in it.frames) >= 3)
    assert all(frame.id is None for frame in page.frames if frame.mark == "heartbeat")


@pytest.mark.requirement("C5", "P-1")
async def test_a_message_sent_twice_is_one_turn(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    session = await stage.session()
    answers = await asyncio.gather(*(stage.send(session, "How many ships?", id="m-1") for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [202]
    assert len({answer.text for answer in answers}) == 1
    other = await stage.send(session, "How many boats?", id="m-1")
    assert other.status_code == 409
    page = await stage.page(session)
    await page.until_ended()
    late = await stage.send(session, "How many ships?", id="m-1")
    assert (late.status_code, late.json()) == (200, answers[0].json())
    assert len(stage.first.asked) == 1
    assert len((await stage.history(session))["messages"]) == 2


@pytest.mark.requirement("C5", "P1", "P-1")
async def test_a_message_sent_again_after_a_crash_is_one_turn(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    session = await stage.session()
    first = await stage.send(session, "How many ships?", id="m-1")
    await stage.server.restart()
    second = await stage.send(session, "How many ships?", id="m-1")
    assert (second.status_code, second.json()) == (200, first.json())
    page = await stage.page(session)
    page.turn = first.json()["turn_id"]
    await page.until_ended()
    page.assert_whole(ANSWER)
    assert len((await stage.history(session))["messages"]) == 2


@pytest.mark.requirement("C6", "C5")
async def test_a_streamed_message_sent_again_is_not_run_again(stage: Stage) -> None:
    session = await stage.session()
    first = await streamed(stage, session, {})
    second = await streamed(stage, session, {})
    resumed = await streamed(stage, session, {"last-event-id": first[2].id or ""})
    assert next(frame.type for frame in first) == "RUN_STARTED"
    assert first[-1].type == second[-1].type == resumed[-1].type == "RUN_FINISHED"
    assert len(stage.first.asked) == 1


@pytest.mark.requirement("C7", "P-7")
async def test_an_id_of_another_log_gets_a_reset_and_a_snapshot(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    await page.until_text(60)
    strange = ("00000000:3.1", f"{log_of(page.last_id)}:999999.1")
    late = [await stage.page_from(page.session, last_id) for last_id in strange]
    await page.until_ended()
    for one in late:
        one.turn = page.turn
        await one.until_ended()
        one.assert_ended("completed")
        assert one.text == ANSWER
        shape = [frame.mark or frame.type for frame in one.frames if frame.mark != "heartbeat"]
        assert shape[:4] == ["RUN_STARTED", "reset", "MESSAGES_SNAPSHOT", "TEXT_MESSAGE_START"]
        assert one.marks("reset")[0]["reason"] == "log_changed"


@pytest.mark.requirement("C7", "P-7")
async def test_an_id_of_another_log_after_the_end_gets_a_reset_and_the_whole_story(stage: Stage) -> None:
    page = await stage.ask()
    await page.until_ended()
    late = await stage.page_from(page.session, "00000000:3.1")
    await late.until(lambda it: bool(it.texts))
    assert [frame.mark or frame.type for frame in late.frames][:2] == ["reset", "MESSAGES_SNAPSHOT"]
    assert late.text == ANSWER
    await late.cut()
    await late.connect()
    await late.until(lambda it: it.frames[-1].mark == "heartbeat")
    assert len(late.marks("reset")) == 1, "the snapshot's id is a place to resume from"


@pytest.mark.requirement("C7")
async def test_an_id_from_the_beginning_replays_everything_and_a_malformed_one_is_refused(stage: Stage) -> None:
    page = await stage.ask()
    await page.until_ended()
    early = await stage.page_from(page.session, next(frame.id for frame in page.frames if frame.id) or "")
    early.turn = page.turn
    await early.until_ended()
    early.assert_whole(ANSWER)
    for malformed in ("x", "1.1", "abc:", "abc:1", ":::", "a" * 5000):
        refused = await stage.http.get(f"/ai/sessions/{page.session}/events", headers={"last-event-id": malformed})
        assert refused.status_code == 400, malformed
        assert refused.headers["content-type"].startswith("application/problem+json")


@pytest.mark.requirement("C8")
async def test_two_tabs_see_the_same_frames(stage: Stage) -> None:
    await stage.play(Script(fault="cut_mid_stream", token_s=SLOW_TOKEN_S), Script(), Script())
    one = await stage.ask()
    two = await stage.page(one.session)
    two.turn = one.turn
    await asyncio.gather(one.until_ended(), two.until_ended())
    three = await stage.page(one.session)
    three.turn = one.turn
    await three.until_ended()
    assert seen(one.frames) == seen(two.frames) == seen(three.frames)
    one.assert_whole(ANSWER)


@pytest.mark.requirement("C9", "P-1")
async def test_a_client_that_leaves_stops_nothing(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    await page.until_text(30)
    await page.cut()
    await stage.first.until(lambda it: it.asked[0].ended_at is not None)
    assert not stage.first.asked[0].left
    await page.connect()
    await page.until_ended()
    page.assert_whole(ANSWER)


@pytest.mark.requirement("C9", "P-1")
async def test_only_a_cancel_stops_a_turn_and_twice_does_no_harm(stage: Stage) -> None:
    await stage.play(Script(token_s=0.05), Script(), Script())
    page = await stage.ask()
    await page.until_text(30)
    await asyncio.gather(stage.cancel(page.session), stage.cancel(page.session))
    await page.until_ended()
    page.assert_ended("cancelled")
    await stage.first.until(lambda it: it.asked[0].left)
    await stage.cancel(page.session)
    assert len(page.terminals) == 1


def seen(frames: list[Frame]) -> list[tuple[str | None, object]]:
    return [(frame.id, frame.body) for frame in frames if frame.id]


def log_of(event_id: str | None) -> str:
    return (event_id or "").partition(":")[0]


async def streamed(stage: Stage, session: str, headers: dict[str, str]) -> list[Frame]:
    """POST a message and take its turn's frames."""
    request = {
        "json": {"id": "m-1", "content": "How many ships?"},
        "headers": {"accept": "text/event-stream", **headers},
    }
    async with stage.http.stream("POST", f"/ai/sessions/{session}/messages", **request) as response:
        assert response.status_code in (httpx2.codes.OK, httpx2.codes.ACCEPTED), await response.aread()
        return [frame async for frame in events(response) if frame.mark != "heartbeat"]
