"""Pieces that come quickly go out together."""

import asyncio

from yaoki.api.bundle import Bundle
from yaoki.testing import FakeClock

LONG_S = 60.0


class Written:
    """Takes what is written, as slowly as the test wants."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.open = asyncio.Event()
        self.open.set()
        self.came = asyncio.Event()

    async def __call__(self, data: bytes) -> None:
        self.pieces.append(data)
        self.came.set()
        await self.open.wait()


async def test_the_first_piece_goes_out_at_once_and_the_next_ones_wait() -> None:
    written = Written()
    async with Bundle(written, LONG_S) as bundle:
        for piece in (b"a", b"b", b"c"):
            await bundle.put(piece)
        assert written.pieces == [b"a"]
        assert await bundle.rest() == b"bc"
    assert written.pieces == [b"a"]


async def test_what_waited_goes_out_as_one() -> None:
    written = Written()
    async with asyncio.timeout(20), Bundle(written, 0.001) as bundle:
        await bundle.put(b"a")
        written.came.clear()
        await bundle.put(b"b")
        await bundle.put(b"c")
        await written.came.wait()
        assert await bundle.rest() == b""
    assert written.pieces == [b"a", b"bc"]


async def test_the_rest_comes_after_a_write_that_is_under_way() -> None:
    written = Written()
    async with asyncio.timeout(20), Bundle(written, 0.001) as bundle:
        await bundle.put(b"a")
        written.open.clear()
        written.came.clear()
        await bundle.put(b"b")
        await written.came.wait()
        await bundle.put(b"c")
        asyncio.get_running_loop().call_soon(written.open.set)
        assert await bundle.rest() == b"c"
    assert written.pieces == [b"a", b"b"]


async def test_leaving_cancels_a_write_that_nobody_takes() -> None:
    written = Written()
    async with asyncio.timeout(20):
        async with Bundle(written, 0.001) as bundle:
            await bundle.put(b"a")
            written.open.clear()
            written.came.clear()
            await bundle.put(b"b")
            await written.came.wait()
    assert written.pieces == [b"a", b"b"]


async def test_what_comes_during_a_write_goes_out_after_it() -> None:
    written = Written()
    async with asyncio.timeout(20), Bundle(written, 0.001) as bundle:
        await bundle.put(b"a")
        written.open.clear()
        written.came.clear()
        await bundle.put(b"b")
        await written.came.wait()
        await bundle.put(b"c")
        written.came.clear()
        written.open.set()
        await written.came.wait()
    assert written.pieces == [b"a", b"b", b"c"]


async def test_what_comes_after_a_while_goes_out_at_once() -> None:
    written, clock = Written(), FakeClock()
    async with Bundle(written, LONG_S, clock=clock) as bundle:
        await bundle.put(b"a")
        clock.move(LONG_S)
        await bundle.put(b"b")
        assert written.pieces == [b"a", b"b"]
