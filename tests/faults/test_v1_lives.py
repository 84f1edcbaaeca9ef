"""Clients that leave, and servers that stop, in the middle of an answer of the base URL."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.faults.harness import Stage
from tests.faults.v1 import QUESTION, ask
from yaoki.faults import Script

pytestmark = pytest.mark.slow

SLOW = Script(token_s=0.01)


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_client_that_leaves_ends_the_providers_request(tmp_path: Path, *, streamed: bool) -> None:
    async with Stage(tmp_path, Script(token_s=0.4)) as stage:  # half a minute, if nobody left
        body = {**QUESTION, "model": "m0", "stream": streamed}
        asking = asyncio.create_task(stage.http.post("/v1/chat/completions", json=body))
        async with asyncio.timeout(20):
            await stage.first.until(lambda provider: bool(provider.asked))
            asking.cancel()
            await stage.first.until(lambda provider: provider.asked[0].left)
    assert asking.cancelled()


@pytest.mark.requirement("P5")
async def test_a_server_that_stops_finishes_its_answers_first(tmp_path: Path) -> None:
    async with Stage(tmp_path, SLOW) as stage:
        asking = [asyncio.create_task(ask(stage.http, "m0", streamed=streamed)) for streamed in (True, False)]
        async with asyncio.timeout(20):
            await stage.first.until(lambda provider: len(provider.asked) == 2)
        stage.server.signal(signal.SIGTERM)
        for answer in await asyncio.gather(*asking):
            answer.assert_whole()
        assert await stage.server.ended() == 0


@pytest.mark.requirement("P6")
async def test_a_second_signal_does_not_wait_and_tells_every_client(tmp_path: Path) -> None:
    async with Stage(tmp_path, Script(token_s=0.5), limits={"drain_s": 20.0}) as stage:
        shown = asyncio.Event()
        asking = [
            asyncio.create_task(ask(stage.http, "m0", streamed=True, shown=shown)),
            asyncio.create_task(ask(stage.http, "m0", streamed=False)),
        ]
        async with asyncio.timeout(10):
            await stage.first.until(lambda provider: len(provider.asked) == 2)
            await shown.wait()
        stage.server.signal(signal.SIGTERM)
        stage.server.signal(signal.SIGINT)
        streamed, whole = await asyncio.gather(*asking)
        assert await stage.server.ended(within_s=10.0) == 0
    assert streamed.told
    assert streamed.broken
    assert whole.status == 503
    assert whole.told
