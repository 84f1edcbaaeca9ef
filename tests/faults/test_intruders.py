"""Requests that must not get far: too large, from foreign pages, by foreign names."""

import asyncio

import pytest

from tests.faults.harness import Stage
from tests.faults.stages import shared_stage, stage

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

HUGE = 200 * 1024 * 1024
EARLY = 8 * 1024 * 1024
"""More than this must not have been taken before the refusal."""


@pytest.mark.requirement("X3")
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_huge_body_is_refused_early(stage: Stage, framing: str) -> None:
    session = await stage.session()
    before = stage.server.process.memory_info().rss
    status, sent = await pour(stage, f"/ai/sessions/{session}/messages", framing)
    assert status == 413
    assert sent < EARLY
    assert stage.server.process.memory_info().rss < before + EARLY * 2
    assert (await stage.http.get("/livez")).status_code == 200


@pytest.mark.requirement("X6")
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil.example"]
)
async def test_a_foreign_page_may_change_nothing(stage: Stage, origin: str) -> None:
    session = await stage.session()
    for method, path, body in [
        ("POST", "/ai/sessions", {"session_type": "chat"}),
        ("POST", f"/ai/sessions/{session}/messages", {"content": "hi"}),
        ("POST", f"/ai/sessions/{session}/cancel", {}),
        ("PATCH", f"/ai/sessions/{session}", {"title": "x"}),
        ("DELETE", f"/ai/sessions/{session}", None),
    ]:
        refused = await stage.http.request(method, path, json=body, headers={"origin": origin})
        assert refused.status_code == 403, (method, path)
        assert "access-control-allow-origin" not in refused.headers
    assert (await stage.history(session))["messages"] == []


@pytest.mark.requirement("X6")
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_a_form_of_a_foreign_page_is_no_json(stage: Stage, kind: str) -> None:
    refused = await stage.http.post("/ai/sessions", content=b'{"session_type": "chat"}', headers={"content-type": kind})
    assert refused.status_code == 415


@pytest.mark.requirement("X7")
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", ""])
async def test_a_name_that_is_not_ours_is_refused_on_every_route(stage: Stage, host: str) -> None:
    session = await stage.session()
    for path in ("/", "/livez", "/readyz", "/metrics", "/ai/sessions", f"/ai/sessions/{session}/events"):
        refused = await stage.http.get(path, headers={"host": host})
        assert refused.status_code in (400, 403, 421), path


async def pour(stage: Stage, path: str, framing: str) -> tuple[int, int]:
    """Pour a huge body until the server answers; its status, and how many bytes it had taken by then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.server.port)
    framed = f"content-length: {HUGE}" if framing == "length" else "transfer-encoding: chunked"
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{framed}\r\n\r\n"
    writer.write(head.encode())
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    piece, sent = b"[" * 65_536, 0
    try:
        while not answer.done() and sent < HUGE:
            writer.write(b"10000\r\n" + piece + b"\r\n" if framing == "chunked" else piece)
            await asyncio.wait({asyncio.create_task(writer.drain()), answer}, return_when=asyncio.FIRST_COMPLETED)
            sent += len(piece)
        async with asyncio.timeout(10):
            return int((await answer).split()[1]), sent
    finally:
        writer.transport.abort()
