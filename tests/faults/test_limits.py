"""The machine gives less than the server wants: disk, descriptors, time of its clients."""

import asyncio
import resource
import socket

import pytest

from tests.faults.harness import Stage
from tests.faults.page import Page
from tests.faults.stages import shared_stage, stage
from yaoki.faults import ANSWER, Script
from yaoki.resilience.clock import SYSTEM_CLOCK

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SLOW_TOKEN_S = 0.02
HARD = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
HEADER_S = 10.0
CLIENTS = 200


def full_disk(stage: Stage) -> None:
    """Nothing can be written to a file any more: neither to the database nor to the server's own log."""
    stage.server.process.rlimit(resource.RLIMIT_FSIZE, (1, HARD))


def free_disk(stage: Stage) -> None:
    stage.server.process.rlimit(resource.RLIMIT_FSIZE, (HARD, HARD))


@pytest.mark.requirement("S7", "S8", "P-1", "P-7")
async def test_with_a_full_disk_nothing_is_acknowledged_and_reads_go_on(stage: Stage) -> None:
    page = await stage.ask()
    await page.until_ended()
    full_disk(stage)
    try:
        refused = await stage.send(page.session, "Again?", id="m-2")
        assert refused.status_code == 503
        assert float(refused.headers["retry-after"]) > 0
        assert (await stage.history(page.session))["messages"][1]["content"] == ANSWER
        ready = await stage.http.get("/readyz?verbose")
        assert ready.status_code == 503
    finally:
        free_disk(stage)
    async with stage.settling():
        while (await stage.http.get("/readyz")).status_code != 200:
            await stage.tick()
    again = await stage.ask()
    await again.until_ended()
    again.assert_whole(ANSWER)


@pytest.mark.requirement("S7", "S8", "P-3")
async def test_a_turn_waits_for_a_full_disk_and_loses_nothing(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    await page.until_text(60)
    full_disk(stage)
    await stage.first.until(lambda it: it.asked[0].ended_at is not None)
    assert page.terminals == []
    free_disk(stage)
    await page.until_ended()
    page.assert_whole(ANSWER)


@pytest.mark.requirement("P9", "P-6")
async def test_without_descriptors_it_sheds_and_recovers(stage: Stage) -> None:
    process = stage.server.process
    soft, hard = process.rlimit(resource.RLIMIT_NOFILE)
    crowd: list[socket.socket] = []
    process.rlimit(resource.RLIMIT_NOFILE, (process.num_fds() + 5, hard))
    try:
        crowd.extend(socket.create_connection(("127.0.0.1", stage.server.port)) for _ in range(40))
    finally:
        for one in crowd:
            one.close()
        process.rlimit(resource.RLIMIT_NOFILE, (soft, hard))
    async with stage.settling():
        while not await answers(stage):
            await stage.tick()
    page = await stage.ask()
    await page.until_ended()
    page.assert_whole(ANSWER)


@pytest.mark.requirement("C4", "P-6")
async def test_a_storm_of_reconnecting_pages_is_served(stage: Stage) -> None:
    page = await stage.ask()
    await page.until_ended()
    pages = [Page(stage.server.url, page.session, turn=page.turn) for _ in range(CLIENTS)]
    await asyncio.gather(*(one.connect() for one in pages))
    await asyncio.gather(*(one.until_ended() for one in pages))
    await asyncio.gather(*(one.cut() for one in pages))
    for one in pages:
        one.assert_whole(ANSWER)
    assert (await stage.http.get("/livez")).status_code == 200


@pytest.mark.requirement("X11")
@pytest.mark.timeout(90)
async def test_a_client_that_trickles_its_headers_is_cut_off(stage: Stage) -> None:
    began = SYSTEM_CLOCK.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
    writer.write(b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n")

    async def trickle() -> None:
        while True:
            writer.write(b"x-more: 1\r\n")
            await asyncio.sleep(0.5)

    trickling = asyncio.create_task(trickle())
    try:
        async with asyncio.timeout(HEADER_S * 2):
            while await reader.read(4096):
                pass
    except ConnectionError:
        pass
    finally:
        trickling.cancel()
        writer.transport.abort()
    assert SYSTEM_CLOCK.monotonic() - began <= HEADER_S + 3.0


async def answers(stage: Stage) -> bool:
    try:
        return (await stage.http.get("/readyz", timeout=1.0)).status_code == 200
    except OSError:
        return False
