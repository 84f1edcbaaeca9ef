import asyncio

import pytest

from tests.unit.api.conftest import Serve
from tests.unit.api.served import Served
from yaoki.api import ApiPolicy

IMPATIENT = ApiPolicy(request_timeout_s=0.5)


@pytest.mark.parametrize("beginning", [b"", b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
@pytest.mark.requirement("X11")
async def test_headers_that_never_end_are_not_waited_for(serve: Serve, beginning: bytes) -> None:
    async with serve(IMPATIENT) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(beginning)
        async with asyncio.timeout(20):
            assert await closed(reader)
        writer.close()


@pytest.mark.requirement("X11")
async def test_the_headers_of_a_later_request_have_a_deadline_too(serve: Serve) -> None:
    async with serve(IMPATIENT) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b'{"status":"ok"}')
        writer.write(b"GET /livez HTT")
        async with asyncio.timeout(20):
            assert await closed(reader)
        writer.close()


async def test_a_deadline_for_headers_does_not_touch_a_running_answer(serve: Serve) -> None:
    policy = ApiPolicy(request_timeout_s=0.1, heartbeat_s=0.1)
    async with serve(policy) as served, served.follow(await served.session()) as stream:
        for _ in range(5):
            assert await stream.block()


async def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    async with serve(IMPATIENT) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        one = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        writer.write(one + one + b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()
        assert answer.count(b"HTTP/1.1 200") == 2
        assert answer.count(b"HTTP/1.1 404") == 1


@pytest.mark.parametrize("size, status", [(100_000, b"431"), (1_000_000, b"400")])
@pytest.mark.requirement("X11")
async def test_endless_headers_are_refused(served: Served, size: int, status: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * size + b"\r\n\r\n")
    async with asyncio.timeout(20):
        answer = await reader.readline()
    writer.close()
    assert answer.split()[1] == status


@pytest.mark.requirement("X11")
async def test_blank_lines_keep_no_connection_open(serve: Serve) -> None:
    async with serve(IMPATIENT) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b'{"status":"ok"}')
        writer.write(b"\r\n")
        async with asyncio.timeout(20):
            assert await closed(reader)
        writer.close()


@pytest.mark.parametrize("beyond", [b"X-A: " + b"a" * 1_000_000, b"".join(b"X-%d: a\r\n" % n for n in range(99_999))])
@pytest.mark.requirement("X11")
async def test_endless_trailers_are_refused(served: Served, beyond: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = b"POST /ai/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + beyond)
    async with asyncio.timeout(20):
        assert await closed(reader)
    writer.close()


@pytest.mark.parametrize("behind", [b"\0\0\0\0\r\n\r\n", b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40])
@pytest.mark.requirement("X11")
async def test_what_nobody_may_send_behind_a_request_puts_no_refusal_into_its_answer(
    serve: Serve, behind: bytes
) -> None:
    async with serve(ApiPolicy(heartbeat_s=0.1)) as served:
        session = await served.session()
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /ai/sessions/%s/events HTTP/1.1\r\nHost: localhost\r\n\r\n" % session.encode())
        await reader.readuntil(b"\n\n")  # the first heartbeat
        writer.write(behind)
        async with asyncio.timeout(20):
            assert b"HTTP/1.1" not in await rest(reader)
        writer.close()


async def closed(reader: asyncio.StreamReader) -> bool:
    """Wait for the server to close, whichever way it does."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes, whichever way it does."""
    said = b""
    try:
        while piece := await reader.read(65_536):
            said += piece
    except ConnectionResetError:
        pass
    return said
