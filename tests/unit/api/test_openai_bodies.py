"""Large requests at `/v1`, and too many of them."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.openai import ASK, Face, faced
from tests.unit.llm.fakes import FakeUpstream, hold, says
from yaoki.api import ApiPolicy
from yaoki.llm.deltas import Text

pytestmark = pytest.mark.requirement("C4")
SMALL = ApiPolicy(body_bytes=10_000, v1_body_bytes=60_000, large_bytes=100_000)


def pictured(chars: int) -> dict[str, Any]:
    url = "data:image/png;base64," + "A" * chars
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}


async def refused(face: Face, **asked: Any) -> None:
    answer = await face.ask(**asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "resource.overloaded")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_picture_of_many_megabytes_passes_unchanged(tmp_path: Path) -> None:
    upstream = FakeUpstream(says("A ship."))
    async with faced(tmp_path, upstream) as face:
        answer = await face.ask(**pictured(12_000_000))
        other = await face.http.post("/ai/sessions", json=pictured(1_100_000))
    assert answer.json()["choices"][0]["message"]["content"] == "A ship."
    assert upstream.requests[0].body["messages"] == pictured(12_000_000)["messages"]
    assert other.status_code == 413


async def test_large_requests_share_their_room_and_give_it_back(tmp_path: Path) -> None:
    upstream = FakeUpstream([Text("A ship "), hold])
    async with faced(tmp_path, upstream, policy=SMALL) as face, AsyncExitStack() as open_ones:
        for _ in range(2):
            body = {**ASK, "stream": True, **pictured(45_000)}
            request = face.http.stream("POST", "/v1/chat/completions", json=body)
            await open_ones.enter_async_context(request)
        await refused(face, **pictured(45_000))
        assert (await face.ask(**pictured(70_000))).status_code == 413
        upstream.scripts[:] = [says("A boat.")]
        assert (await face.ask(**pictured(5_000))).status_code == 200  # what is small needs no room
        await open_ones.aclose()
        await face.served.until(lambda: upstream.open == 0)
        for _ in range(3):
            assert (await face.ask(**pictured(45_000))).status_code == 200


async def test_what_never_came_whole_gives_its_room_back(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(says("A ship.")), policy=SMALL) as face:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writers: list[asyncio.StreamWriter] = []
        for _ in range(2):
            _, writer = await asyncio.open_connection("127.0.0.1", face.http.base_url.port)
            writer.write(head + b"Content-Length: 55000\r\n\r\n" + b" " * 48_000)
            writers.append(writer)
        async with asyncio.timeout(10):
            while (await face.ask(**pictured(20_000))).status_code != 503:
                await asyncio.sleep(0.01)
            for writer in writers:
                writer.close()
            while (await face.ask(**pictured(20_000))).status_code != 200:
                await asyncio.sleep(0.01)


async def test_requests_under_way_are_counted_with_all_others(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(says("x")), policy=ApiPolicy(max_requests=1)) as face:
        with face.served.app.state.services.admission.request():
            await refused(face)
        assert (await face.ask()).status_code == 200


async def test_answers_under_way_are_counted_as_streams_are(tmp_path: Path) -> None:
    upstream = FakeUpstream([Text("Seven "), hold])
    async with faced(tmp_path, upstream, policy=ApiPolicy(max_streams=1)) as face:
        asking = asyncio.create_task(face.ask())
        await face.served.until(lambda: upstream.open == 1)
        await refused(face)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await face.served.until(lambda: upstream.open == 0)
        upstream.scripts[:] = [says("Seven.")]
        async with asyncio.timeout(10):
            while (await face.ask()).status_code != 200:
                await asyncio.sleep(0.01)
