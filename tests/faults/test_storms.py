"""Many sessions, many faults, drops and kills at once, drawn from a seed: every promise holds for every turn."""

import asyncio
import random

import pytest

from tests.faults.harness import Stage
from tests.faults.page import Page
from tests.faults.seeds import seeded
from tests.faults.stages import shared_stage, stage
from yaoki.faults import ANSWER, BEHAVIOURS, FAULTS, ChatRequest, Script

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

HEALED = [
    fault.name
    for fault in FAULTS.values()
    if fault.row in ("M4", "M10", "M11", "M12", "M13", "M14", "M15", "M16", "M28")
    and fault.name not in ("slow_drip", "endless_event")
    and not fault.name.startswith(("tool_call", "says_"))
]
SESSIONS = 6
KILLS = 2


def told(request: ChatRequest) -> str:
    """Each question has an answer of its own, so that answers cannot be mixed up."""
    words = [str(message["content"]).split() for message in request.messages if message["role"] == "user"]
    number = next(number for question, number, *_ in reversed(words) if question == "Question")  # others ask to go on
    return f"This is answer {number}. {ANSWER}"


def storm(rng: random.Random) -> Script:
    """A model that is often faulty, in a way of its own each time it is asked to be."""
    return Script(
        answer=ANSWER,
        fault=rng.choice(HEALED),
        at=rng.randrange(len(ANSWER)),
        times=rng.randrange(1, 4),
        token_s=rng.choice([0.0, 0.005, 0.02]),
        pause_s=0.05,
        retry_after_s=0.0,
        prefill=rng.choice(BEHAVIOURS),
    )


@pytest.mark.requirement("P-1", "P-2", "P-3", "P-6", "M11", "C1", "P2")
async def test_a_storm_of_faults_drops_and_kills_breaks_no_promise(stage: Stage) -> None:
    rng = seeded()
    calm = asyncio.Event()
    weather = asyncio.create_task(change(stage, rng, calm))
    pages = [await stage.ask() for _ in range(SESSIONS)]
    readers = [asyncio.create_task(drop_now_and_then(page, rng)) for page in pages]
    try:
        for _ in range(KILLS):
            await pages[0].until(lambda it: len(it.frames) >= 3)
            await stage.server.restart()
        calm.set()
        await weather
        await asyncio.gather(*readers)
    finally:
        for task in (weather, *readers):
            task.cancel()
    for page in pages:
        assert len(page.terminals) == 1
        outcome = page.terminals[0].body.get("result", {}).get("outcome", "failed")
        assert outcome in ("completed", "cached", "degraded", "failed"), page.terminals
        if outcome == "completed":
            page.assert_whole(ANSWER)
        if outcome == "cached":
            assert page.text == ANSWER
        [_, answer] = (await stage.history(page.session))["messages"]
        assert answer["content"] == page.text


async def change(stage: Stage, rng: random.Random, calm: asyncio.Event) -> None:
    """New faults, until it is calm; then healthy models."""
    while not calm.is_set():
        for provider in stage.providers[:2]:
            await provider.play(storm(rng))
        try:
            async with asyncio.timeout(0.2):
                await calm.wait()
        except TimeoutError:
            continue
    for provider in stage.providers:
        await provider.play(Script())


async def drop_now_and_then(page: Page, rng: random.Random) -> None:
    """Follow a page to its end over connections that break after some bytes, or with the server."""
    while not page.terminals:
        await page.cut()
        if not await page.reachable(max_bytes=rng.randrange(1_500, 6_000)):
            continue
        await page.until(lambda it: it.ended or bool(it.terminals))


@pytest.mark.requirement("C8", "P-1", "P-3")
async def test_a_line_of_messages_is_answered_one_by_one_in_order(stage: Stage) -> None:
    await stage.play(Script(answer=told, fault="cut_mid_stream", times=3), Script(answer=told), Script(answer=told))
    session = await stage.session()
    page = await stage.page(session)
    accepted = await asyncio.gather(*(stage.send(session, f"Question {n}", id=f"m-{n}") for n in range(4)))
    assert {answer.status_code for answer in accepted} == {202}
    await page.until(lambda it: len({f.id for f in it.frames if f.type == "RUN_FINISHED"}) == 4)
    messages = (await stage.history(session))["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 4
    for question, answer in zip(messages[::2], messages[1::2], strict=True):
        assert answer["content"] == f"This is answer {question['content'].split()[1]}. {ANSWER}"
    assert list(page.texts.values()) == [message["content"] for message in messages[1::2]]
