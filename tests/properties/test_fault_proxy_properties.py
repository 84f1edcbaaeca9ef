"""A fault proxy without faults is no more than a wire; one that is late or slow keeps every byte in its place."""

import asyncio
from contextlib import ExitStack

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.faults.tcp import Peer, call, service
from yaoki.faults import HEALTHY, FaultProxy, Lane, Link

PIECES = st.lists(st.binary(max_size=300) | st.integers(1, 200_000).map(bytes), max_size=8)
LATE_OR_SLOW = st.builds(
    Lane,
    latency_s=st.sampled_from([0.0, 0.001, 0.004]),
    jitter_s=st.sampled_from([0.0, 0.003]),
    bytes_per_s=st.sampled_from([None, 5e6, 50e6]),
)


@settings(max_examples=40, deadline=None)
@given(up=PIECES, down=PIECES)
async def test_without_faults_bytes_pass_unchanged_in_any_chunking(up: list[bytes], down: list[bytes]) -> None:
    assert await carried(HEALTHY, up, down) == (b"".join(up), b"".join(down))


@settings(max_examples=25, deadline=None)
@given(up=PIECES, down=PIECES, lanes=st.tuples(LATE_OR_SLOW, LATE_OR_SLOW))
async def test_delays_and_bandwidth_keep_the_order_and_lose_nothing(
    up: list[bytes], down: list[bytes], lanes: tuple[Lane, Lane]
) -> None:
    link = Link(up=lanes[0], down=lanes[1])
    assert await carried(link, up, down) == (b"".join(up), b"".join(down))


@settings(max_examples=40, deadline=None)
@given(down=PIECES, after=st.integers(0, 5_000))
async def test_a_cut_never_lets_through_more_or_less_than_it_says(down: list[bytes], after: int) -> None:
    whole = b"".join(down)
    _, heard = await carried(Link(down=Lane(cut_after=after)), [], down)
    assert heard == whole[:after]


async def carried(link: Link, up: list[bytes], down: list[bytes]) -> tuple[bytes, bytes]:
    """What the service heard of `up`, and the client of `down`, when both spoke at once and then ended."""
    async with service() as target, FaultProxy(target.address) as proxy:
        await proxy.play(link)
        with ExitStack() as leaving:
            client = await call(proxy.address)
            leaving.callback(client.writer.transport.abort)
            there = await target.peer()
            speaking = [asyncio.create_task(spoken(client, up)), asyncio.create_task(spoken(there, down))]
            (heard_up, _), (heard_down, _) = await asyncio.gather(there.hears_until_end(), client.hears_until_end())
            await asyncio.gather(*speaking)
            return heard_up, heard_down


async def spoken(peer: Peer, pieces: list[bytes]) -> None:
    try:
        for piece in pieces:
            await peer.says(piece)
        peer.writer.write_eof()
    except OSError:
        return  # the line was cut meanwhile
