"""A body is read piece by piece at first, then in gulps; nothing of it is lost, and its end is not waited for."""

import asyncio

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol

from yaoki.llm.wire.body import AT_ONCE, WireBody
from yaoki.testing import FakeClock


class _Connected(BaseProtocol):
    """aiohttp's own, as if over a connection."""

    connected = True


def opened(clock: FakeClock, *, watched: bool = True) -> tuple[aiohttp.StreamReader, WireBody]:
    loop = asyncio.get_running_loop()
    content = aiohttp.StreamReader(_Connected(loop), 65_536, loop=loop)
    return content, WireBody(content, (aiohttp.ClientError,), watched=watched, clock=clock)


async def past_the_beginning(content: aiohttp.StreamReader, body: WireBody) -> None:
    for number in range(AT_ONCE):
        content.feed_data(b"%d" % number)
        assert await body.piece() == b"%d" % number


async def test_what_comes_quickly_is_read_in_one_go() -> None:
    content, body = opened(FakeClock())
    await past_the_beginning(content, body)
    reading = asyncio.create_task(body.piece())
    for piece in (b"a", b"b", b"c"):
        content.feed_data(piece)
        await asyncio.sleep(0)
    assert await reading == b"abc"


async def test_what_comes_slowly_is_not_kept_waiting() -> None:
    clock = FakeClock()
    content, body = opened(clock)
    await past_the_beginning(content, body)
    clock.move(1.0)
    content.feed_data(b"a")
    reading = asyncio.create_task(body.piece())
    await asyncio.sleep(0)
    assert reading.done()
    assert await reading == b"a"


async def test_what_nobody_sees_grow_is_read_in_gulps_after_its_first_sign_of_life() -> None:
    content, body = opened(FakeClock(), watched=False)
    content.feed_data(b"first")
    assert await body.piece() == b"first"
    reading = asyncio.create_task(body.piece())
    for piece in (b"a", b"b", b"c"):
        content.feed_data(piece)
        await asyncio.sleep(0)
    assert not reading.done()
    assert await reading == b"abc"


async def test_the_end_wakes_whoever_gathers() -> None:
    content, body = opened(FakeClock())
    await past_the_beginning(content, body)
    reading = asyncio.create_task(body.piece())
    await asyncio.sleep(0)
    content.feed_data(b"the last")
    content.feed_eof()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert reading.done()
    assert (await reading, await body.piece()) == (b"the last", b"")


@pytest.mark.requirement("M12")
async def test_what_came_before_a_body_broke_off_is_handed_out_first() -> None:
    content, body = opened(FakeClock())
    await past_the_beginning(content, body)
    reading = asyncio.create_task(body.piece())
    await asyncio.sleep(0)
    content.feed_data(b"the last words")
    content.set_exception(aiohttp.ClientPayloadError("cut"))
    assert await reading == b"the last words"
    with pytest.raises(aiohttp.ClientPayloadError, match="cut"):
        await body.piece()
