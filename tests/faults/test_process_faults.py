"""The process is stopped in a hurry, starved of memory, time or descriptors, killed at every start, misconfigured."""

import asyncio
import contextlib
import signal
import socket
from pathlib import Path

import httpx2
import pytest

from tests.faults.harness import Server, Stage
from tests.faults.injectors.limits import no_descriptors, no_memory
from tests.faults.injectors.syscalls import tampered
from tests.faults.page import Page
from tests.faults.stages import shared_stage, stage
from tests.faults.test_stores import locked
from yaoki.faults import ANSWER, Script
from yaoki.resilience.clock import SYSTEM_CLOCK
from yaoki.turns.turn import MAX_FRUITLESS_CLAIMS

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SLOW_TOKEN_S = 0.02
HURRIED_S = 5.0
STALL_S = 5
BACKED_OFF_S = 1.0
IDLE_TASKS = 12
POOLED = {"descriptors": 12, "threads": 4, "tasks": 2, "bytes": 16_000_000}
"""What may come later than in the first turns: connections to models and to the database are opened when needed."""


async def metric(stage: Stage, name: str) -> float:
    """One figure of /metrics."""
    lines = (await stage.http.get("/metrics")).text.splitlines()
    [value] = [line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")]
    return float(value)


# --------------------------------------------------------------------------------------------------- told to stop twice


async def stop_in_a_hurry(stage: Stage, second: signal.Signals = signal.SIGTERM) -> None:
    """Tell it to stop, and once it is about to, tell it again: it ends well, and soon."""
    said = len(stage.server.log)
    stage.server.signal(signal.SIGTERM)
    async with stage.settling():
        while "Stopping:" not in stage.server.log[said:]:
            await stage.tick()
    began = SYSTEM_CLOCK.monotonic()
    stage.server.signal(second)
    assert await stage.server.ended() == 0
    assert SYSTEM_CLOCK.monotonic() - began < HURRIED_S


@pytest.mark.requirement("P6", "P-3")
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_again_it_leaves_the_turn_to_its_next_start(stage: Stage, second: signal.Signals) -> None:
    page = await slow_answer(stage)
    await stop_in_a_hurry(stage, second)
    assert page.terminals == []
    await goes_on(stage, page)


@pytest.mark.requirement("P6", "S9", "P-3")
async def test_a_locked_database_does_not_hold_up_an_end_in_a_hurry(stage: Stage) -> None:
    page = await slow_answer(stage)
    async with locked(stage.server.database):
        await page.until(lambda it: it.frames[-1].mark == "heartbeat")
        await stop_in_a_hurry(stage)
    await goes_on(stage, page)


@pytest.mark.requirement("P6", "C3")
async def test_a_client_that_reads_nothing_does_not_hold_up_an_end_in_a_hurry(stage: Stage) -> None:
    page = await slow_answer(stage)
    with socket.create_connection(("127.0.0.1", stage.server.port)) as deaf:
        deaf.sendall(f"GET /ai/sessions/{page.session}/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
        await stop_in_a_hurry(stage)
    await goes_on(stage, page)


async def slow_answer(stage: Stage) -> Page:
    """A page over an answer that has begun and will not end soon."""
    await stage.play(Script(token_s=0.1), Script(), Script())
    page = await stage.ask()
    await page.until_text(30)
    return page


async def goes_on(stage: Stage, page: Page) -> None:
    """The next start finishes the answer."""
    await stage.play(Script(), Script(), Script())
    await stage.server.start()
    await page.connect()
    await page.until_ended()
    page.assert_whole(ANSWER)


# -------------------------------------------------------------------------------------------------------------- starved


@pytest.mark.requirement("P7", "P-1", "P-3", "P-6")
async def test_out_of_memory_it_loses_nothing_that_was_accepted(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    pages = [await stage.ask() for _ in range(4)]
    for page in pages:
        await page.until_text(30)
    said = len(stage.server.log)
    with no_memory(stage.server.process, spare_bytes=0):
        async with stage.settling():
            while stage.server.alive and "MemoryError" not in stage.server.log[said:]:
                await greedy(stage)
    if not stage.server.alive:
        await stage.server.start()
    for page in pages:
        if page.ended:
            await page.connect()
        await page.until_ended()
        page.assert_whole(ANSWER)
    again = await stage.ask()
    await again.until_ended()
    again.assert_whole(ANSWER)


async def greedy(stage: Stage) -> None:
    """A request that takes memory; it may be answered or not."""
    try:
        await stage.http.post("/ai/sessions", json={"session_type": "chat", "metadata": {"filling": "x" * 900_000}})
    except httpx2.TransportError:
        await stage.tick()


@pytest.mark.requirement("P8", "P-3")
async def test_a_stalled_loop_is_told_with_its_stack_and_counted_and_harms_no_answer(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    await page.until_text(30)
    said = len(stage.server.log)
    before = await metric(stage, "yaoki_loop_stalled_seconds_sum")
    stall = f"delay_enter={STALL_S}s:when=1"
    async with tampered(stage.server.pid, "sendto", stall, threads=False) as kernel:
        await page.until_ended()
        assert kernel.fired == 1
    page.assert_whole(ANSWER)
    assert page.marks("failover") == []
    log = stage.server.log[said:]
    assert "The event loop has been stuck for" in log
    assert "selector_events.py" in log, "the stack ends where the loop was held: in sending"
    async with stage.settling():
        while await metric(stage, "yaoki_loop_stalled_seconds_sum") - before < STALL_S - 1.0:
            await stage.tick()


@pytest.mark.requirement("P9", "P-1", "P-3", "P-6")
async def test_without_descriptors_who_is_in_is_served_and_who_comes_is_told_to_come_back(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    await page.until_text(30)
    with no_descriptors(stage.server.process, spare=5), contextlib.ExitStack() as crowd:
        for _ in range(40):
            crowd.enter_context(socket.create_connection(("127.0.0.1", stage.server.port)))
        async with httpx2.AsyncClient(trust_env=False) as newcomer:
            refused = await newcomer.get(f"{stage.server.url}/ai/sessions")
        assert refused.status_code == 503
        assert refused.json()["kind"] == "resource.overloaded"
        assert int(refused.headers["retry-after"]) > 0
        assert (await stage.http.get("/readyz")).status_code == 200
        assert (await stage.send(page.session, "And then?")).status_code == 202
        page.turn = ""
        await page.until(lambda it: len(it.terminals) == 2)
    assert list(page.texts.values()) == [ANSWER, ANSWER]
    assert page.marks("failover") == []
    again = await stage.ask()
    await again.until_ended()
    again.assert_whole(ANSWER)


@pytest.mark.requirement("P9", "P-6")
async def test_without_a_single_descriptor_it_still_answers_and_recovers(stage: Stage) -> None:
    with no_descriptors(stage.server.process, spare=-3):
        async with httpx2.AsyncClient(trust_env=False) as newcomer:
            for _ in range(50):
                assert (await newcomer.get(f"{stage.server.url}/livez")).status_code == 503
        assert (await stage.http.get("/livez")).status_code == 200
    page = await stage.ask()
    await page.until_ended()
    page.assert_whole(ANSWER)


# --------------------------------------------------------------------------------------------- killed at every start


@pytest.mark.requirement("P10", "P-1", "P-6", "P-7")
async def test_a_turn_that_ends_every_process_is_backed_off_and_parked_while_others_go_on(tmp_path: Path) -> None:
    other_agent = '[agents.other]\nmodel = "m1"\n'
    async with Stage(tmp_path, Script(first_token_s=30), Script(token_s=SLOW_TOKEN_S), extra=other_agent) as stage:
        poison = await stage.ask()
        waits: list[float] = []
        for claims in range(1, MAX_FRUITLESS_CLAIMS + 1):
            began = SYSTEM_CLOCK.monotonic()
            await stage.first.until(lambda it, claims=claims: len(it.asked) == claims)
            waits.append(SYSTEM_CLOCK.monotonic() - began)
            await stage.server.kill()
            await stage.server.start()
        assert waits[-1] > BACKED_OFF_S
        session = await stage.http.post("/ai/sessions", json={"session_type": "chat", "agent": "other"})
        innocent = await stage.page(session.json()["session_id"])
        await stage.send(innocent.session, "How many ships?")
        await innocent.until_ended()
        innocent.assert_whole(ANSWER)
        await poison.connect()
        await poison.until_ended()
        end = poison.assert_ended("parked")
        assert end["code"] == "agent.parked"
        assert len(poison.marks("resumed")) == MAX_FRUITLESS_CLAIMS
        await stage.play(Script(), Script())
        assert (await stage.http.post(f"/ai/sessions/{poison.session}/recover")).status_code == 202
        await poison.until(lambda it: it.text == ANSWER)


# ------------------------------------------------------------------------------------------------------- misconfigured


@pytest.mark.requirement("P11")
async def test_a_wrong_configuration_is_told_line_by_line_and_nothing_is_begun(stage: Stage, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[server]\nport = 70000\nprot = 1\n[agents.a]\nmodel = "none"\n[limits]\ndrain_s = "soon"\n')
    server = Server(tmp_path, [])
    await server.spawn(settings=wrong)
    assert await server.ended() == 2
    lines = server.log.splitlines()
    assert len(lines) == 4, server.log
    assert all(line.startswith(f"yaoki: {wrong}: ") for line in lines)
    for key in ("server.port", "server.prot", "agents.a.model", "limits.drain_s"):
        assert any(f": {key}: " in line for line in lines), key
    assert not server.database.exists()


@pytest.mark.requirement("P11")
@pytest.mark.parametrize("trouble", ["port", "folder", "database"])
async def test_what_is_in_the_way_of_a_start_is_named_in_one_line_with_what_to_do(
    stage: Stage, tmp_path: Path, trouble: str
) -> None:
    server = Server(tmp_path, [stage.first.base_url], database=tmp_path / "data" / "yaoki.db")
    in_the_way = {
        "port": "Cannot listen on",
        "folder": f"The database {server.database} cannot be opened: {server.database.parent}: file exists",
        "database": f"The database {server.database} cannot be opened: the database file is damaged",
    }
    if trouble == "folder":
        server.database.parent.write_text("a file")
    if trouble == "database":
        server.database.parent.mkdir()
        server.database.write_bytes(b"no database " * 1_000)
    with socket.create_server(("127.0.0.1", server.port if trouble == "port" else 0)):
        await server.spawn()
        assert await server.ended() == 2
    [line] = server.log.splitlines()
    assert line.startswith(f"yaoki: {in_the_way[trouble]}")
    assert "server.port" in line or "store.url" in line


# ----------------------------------------------------------------------------------------------------------- for long


@pytest.mark.requirement("P-6")
@pytest.mark.timeout(120)
async def test_after_many_turns_it_has_no_more_memory_descriptors_or_tasks_than_before(stage: Stage) -> None:
    await many_turns(stage, 60)
    before = await footprint(stage)
    await many_turns(stage, 140)
    after = await footprint(stage)
    grown = {name: after[name] - before[name] for name in after}
    print(before, grown)
    for name, bound in POOLED.items():
        assert grown[name] <= bound, f"{name}: {before[name]} and {grown[name]} more"


async def many_turns(stage: Stage, count: int) -> None:
    """So many turns with their pages, some with a fault, ten at a time."""
    await stage.play(Script(fault="cut_mid_stream", times=count // 10), Script(), Script())
    for _ in range(count // 10):
        pages = [await stage.ask() for _ in range(10)]
        await asyncio.gather(*(page.until_ended() for page in pages))
        await asyncio.gather(*(page.cut() for page in pages))


async def footprint(stage: Stage) -> dict[str, float]:
    """What it has, once everything has settled."""
    async with stage.settling():
        while await metric(stage, "yaoki_turns_running") or await metric(stage, "yaoki_tasks") > IDLE_TASKS:
            await stage.tick()
    process = stage.server.process
    return {
        "descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "tasks": await metric(stage, "yaoki_tasks"),
        "bytes": process.memory_info().rss,
    }
