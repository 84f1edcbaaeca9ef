"""The clients that front-ends are built with, as published, against a real server behind a line that breaks."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.clients.node import Frontend, Told, frontend
from tests.faults.harness import Stage
from tests.faults.seeds import seeded
from tests.faults.stages import shared_stage, stage
from yaoki.faults import ANSWER, Script
from yaoki.faults.link import Lane, Link
from yaoki.faults.proxy import FaultProxy

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]

CLIENTS = pytest.mark.parametrize("client", ["agui", "tanstack"])
ASK = {"id": "u1", "content": "How many ships?"}
SLOW_TOKEN_S = 0.02


@asynccontextmanager
async def client_of(stage: Stage, client: str) -> AsyncIterator[tuple[Frontend, FaultProxy]]:
    """A client in a thread of its own, and the line between it and the server."""
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(FaultProxy(f"127.0.0.1:{stage.server.port}"))
        thread = f"thread-{uuid.uuid4()}"
        yield await stack.enter_async_context(frontend(client, f"http://{line.address}/agui", thread)), line


def assert_whole(done: Told, *answers: str) -> None:
    """What a person sees: each question, and under it its answer, whole and once."""
    roles = [message["role"] for message in done["messages"]]
    assert roles == ["user", "assistant"] * len(answers)
    assert [message["text"] for message in done["messages"] if message["role"] == "assistant"] == list(answers)


@CLIENTS
async def test_a_conversation_is_shown_whole(stage: Stage, client: str) -> None:
    async with client_of(stage, client) as (page, _):
        await page.do(ask=ASK, runId=str(uuid.uuid4()))
        done = await page.done()
        assert done["error"] is None
        assert_whole(done, ANSWER)
        await page.do(ask={"id": "u2", "content": "And boats?"}, runId=str(uuid.uuid4()))
        done = await page.done()
    assert done["error"] is None
    assert_whole(done, ANSWER, ANSWER)
    assert len(stage.first.asked[-1].body["messages"]) >= 3  # the second question came with the first


@CLIENTS
@pytest.mark.requirement("M11", "P-3")
async def test_a_failover_in_mid_sentence_is_shown_whole(stage: Stage, client: str) -> None:
    await stage.play(Script(fault="cut_mid_stream", at=80), Script(), Script())
    async with client_of(stage, client) as (page, _):
        await page.do(ask=ASK, runId=str(uuid.uuid4()))
        done = await page.done()
    assert done["error"] is None
    assert_whole(done, ANSWER)


@pytest.mark.requirement("C1", "C6", "P-3")
@pytest.mark.parametrize("how", ["cut_after", "reset_after"])
async def test_tanstack_resumes_a_broken_run_by_itself(stage: Stage, how: str) -> None:
    rng = seeded()
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    async with client_of(stage, "tanstack") as (page, line):
        await line.play(Link(down=Lane(**{how: rng.randrange(1_000, 5_000)}), times=3))
        await page.do(ask=ASK)
        done = await page.done()
        assert line.fired.total() >= 1
    assert done["error"] is None
    assert_whole(done, ANSWER)
    assert "".join(told["delta"] for told in page.told if told.get("delta")) == ANSWER  # no delta came twice
    assert len(stage.first.asked) == 1


@pytest.mark.requirement("C6", "P-3")
@pytest.mark.parametrize("how", ["cut_after", "reset_after"])
async def test_agui_takes_a_broken_run_up_again_under_its_id(stage: Stage, how: str) -> None:
    rng = seeded()
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    run = str(uuid.uuid4())
    async with client_of(stage, "agui") as (page, line):
        await line.play(Link(down=Lane(**{how: rng.randrange(2_000, 5_000)}), times=1))
        await page.do(ask=ASK, runId=run)
        broken = await page.done()
        assert line.fired.total() == 1
        assert ANSWER not in [message["text"] for message in broken["messages"]]
        await page.do(runId=run)
        done = await page.done()
    assert done["error"] is None
    assert_whole(done, ANSWER)
    assert len(stage.first.asked) == 1


@CLIENTS
@pytest.mark.requirement("P5", "P-2", "C6")
async def test_a_restart_in_mid_run_is_no_end_of_it(stage: Stage, client: str) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    run = str(uuid.uuid4())
    async with client_of(stage, client) as (page, _):
        await page.do(ask=ASK, runId=run)
        await page.until(lambda told: told.get("delta"))
        await stage.server.restart()
        done = await page.done()
        if client == "agui":
            assert done["error"] is not None
            await page.do(runId=run)
            done = await page.done()
    assert done["error"] is None
    assert_whole(done, ANSWER)


@CLIENTS
@pytest.mark.requirement("C9")
async def test_a_cancelled_run_ends_as_such(stage: Stage, client: str) -> None:
    await stage.play(Script(token_s=0.05), Script(), Script())
    async with client_of(stage, client) as (page, _):
        await page.do(ask=ASK, runId=str(uuid.uuid4()))
        await page.until(lambda told: told.get("delta"))
        sessions = (await stage.http.get("/ai/sessions")).json()["sessions"]
        [session] = [it["session_id"] for it in sessions if it["metadata"].get("thread_id") == page.thread]
        await stage.cancel(session)
        done = await page.done()
    assert done["error"] is None
    assert page.events[-1] == "RUN_FINISHED"
    shown = done["messages"][-1]["text"]
    assert shown
    assert ANSWER.startswith(shown.rstrip())
    [_, answer] = (await stage.history(session))["messages"]
    assert (answer["content"], answer["outcome"]) == (shown, "cancelled")


@CLIENTS
@pytest.mark.requirement("P-2")
async def test_an_answer_that_nobody_can_finish_is_an_error(stage: Stage, client: str) -> None:
    cut = Script(fault="cut_mid_stream", at=80, times=1_000)
    await stage.play(cut, cut, cut)
    async with client_of(stage, client) as (page, _):
        await page.do(ask=ASK, runId=str(uuid.uuid4()))
        done = await page.done()
    assert page.events[-1] == "RUN_ERROR"
    if client == "tanstack":
        assert "breaks off" in done["error"]
    assert ANSWER not in [message["text"] for message in done["messages"]]


@CLIENTS
async def test_a_refused_run_is_an_error(stage: Stage, client: str) -> None:
    async with client_of(stage, client) as (page, _):
        await page.do(ask={"id": "u1", "content": "x" * 40_000}, runId=str(uuid.uuid4()))
        done = await page.done()
    assert "422" in done["error"]
