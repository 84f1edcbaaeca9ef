"""The fault proxy over real sockets: what each fault looks like from both ends."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import psutil
import pytest

from tests.unit.faults.raw_client import exchange, text_and_finish
from tests.unit.faults.tcp import WITHIN_S, Peer, Service, call, service
from yaoki.errors import ConfigurationSettingError
from yaoki.faults import ANSWER, HEALTHY, FaultProxy, Lane, Link, ScriptedProvider
from yaoki.resilience.clock import SYSTEM_CLOCK

QUIET_S = 0.1
DATA = bytes(range(256)) * 40


@asynccontextmanager
async def stage(link: Link = HEALTHY, *, seed: int = 0) -> AsyncGenerator[tuple[FaultProxy, Service], None]:
    async with service() as target, FaultProxy(target.address, seed=seed) as proxy:
        await proxy.play(link)
        yield proxy, target


@asynccontextmanager
async def connected(link: Link = HEALTHY, *, seed: int = 0) -> AsyncGenerator[tuple[FaultProxy, Peer, Peer], None]:
    """A proxy, a client that has connected through it, and the connection as the service has it."""
    async with stage(link, seed=seed) as (proxy, target):
        client = await call(proxy.address)
        try:
            yield proxy, client, await target.peer()
        finally:
            client.writer.transport.abort()


async def settled(proxy: FaultProxy) -> None:
    """The proxy holds no connection any more."""
    async with asyncio.timeout(WITHIN_S):
        await proxy.until(lambda it: it.open == 0)


async def test_without_faults_both_ends_hear_each_other_and_the_end() -> None:
    async with connected() as (proxy, client, there):
        await client.says(DATA)
        client.writer.write_eof()
        assert await there.hears_until_end() == (DATA, "closed")
        await there.says(DATA[::-1])
        there.leaves()
        assert await client.hears_until_end() == (DATA[::-1], "closed")
        await settled(proxy)
        assert proxy.fired == {}
        assert proxy.state()["bytes"] == {"up": len(DATA), "down": len(DATA)}


async def test_a_reset_of_one_end_is_a_reset_at_the_other() -> None:
    async with connected() as (proxy, client, there):
        await there.says(b"half")
        there.leaves_with_a_reset()
        assert await client.hears_until_end() == (b"half", "reset")
        await settled(proxy)


async def test_a_target_that_refuses_is_a_reset() -> None:
    async with service() as target:
        gone = target.address
    async with FaultProxy(gone) as proxy:
        client = await call(proxy.address)
        assert (await client.hears_until_end())[1] == "reset"
        assert (proxy.unreachable, proxy.seen) == (1, 1)
        client.leaves()


@pytest.mark.parametrize("after", [0, 1, 1000, len(DATA)])
async def test_a_cut_looks_like_the_end_after_exactly_so_many_bytes(after: int) -> None:
    async with connected(Link(down=Lane(cut_after=after))) as (proxy, client, there):
        if after:
            await client.says(b"a question")
            assert await there.hears(10) == b"a question"
            await there.says(DATA)
        assert await client.hears_until_end() == (DATA[:after], "closed")
        assert (await there.hears_until_end())[1] == "closed"
        assert proxy.fired["cut"] == 1


async def test_a_cut_stays_clean_while_the_client_still_talks() -> None:
    async with connected(Link(down=Lane(cut_after=5))) as (_, client, there):
        await there.says(DATA)
        await client.says(DATA)
        assert await client.hears_until_end() == (DATA[:5], "closed")
        await client.says(DATA)
        assert (await client.hears_until_end())[1] == "closed"


@pytest.mark.parametrize("after", [0, 1, 1000])
async def test_a_reset_comes_after_exactly_so_many_bytes(after: int) -> None:
    async with connected(Link(down=Lane(reset_after=after))) as (proxy, client, there):
        if after:
            await there.says(DATA)
        assert await client.hears_until_end() == (DATA[:after], "reset")
        assert (await there.hears_until_end())[1] == "reset"
        assert proxy.fired["reset"] == 1


async def test_a_half_open_line_takes_everything_and_passes_on_nothing_not_even_the_end() -> None:
    async with connected(Link(down=Lane(half_open_after=7))) as (proxy, client, there):
        for _ in range(40):
            await there.says(DATA)
        there.leaves()
        assert await client.hears_until_end(quiet_s=QUIET_S) == (DATA[:7], "silent")
        await client.says(b"still there?")
        assert await client.hears_until_end(quiet_s=QUIET_S) == (b"", "silent")
        assert proxy.fired["half_open"] == 1


async def test_one_direction_may_be_half_open_while_the_other_works() -> None:
    async with connected(Link(up=Lane(half_open_after=0))) as (_, client, there):
        await client.says(DATA)
        await there.says(b"hello?")
        assert await client.hears(6) == b"hello?"
        assert await there.hears_until_end(quiet_s=QUIET_S) == (b"", "silent")


async def test_latency_delays_every_byte_and_loses_none() -> None:
    async with connected(Link(down=Lane(latency_s=0.15, jitter_s=0.05))) as (proxy, client, there):
        began = SYSTEM_CLOCK.monotonic()
        await there.says(b"first")
        there.writer.write_eof()
        assert await client.hears_until_end() == (b"first", "closed")
        assert 0.15 <= SYSTEM_CLOCK.monotonic() - began < 2.0
        assert proxy.fired["latency"] >= 1


async def test_latency_is_not_slowness() -> None:
    """Many pieces that are all late come together, not one delay after the other."""
    async with connected(Link(down=Lane(latency_s=0.2))) as (_, client, there):
        began = SYSTEM_CLOCK.monotonic()
        for start in range(0, 1000, 50):
            await there.says(DATA[start : start + 50])
        assert await client.hears(1000) == DATA[:1000]
        assert SYSTEM_CLOCK.monotonic() - began < 1.5


async def test_bandwidth_bounds_the_pace() -> None:
    async with connected(Link(down=Lane(bytes_per_s=20_000))) as (proxy, client, there):
        began = SYSTEM_CLOCK.monotonic()
        await there.says(DATA)
        assert await client.hears(6_000) == DATA[:6_000]
        assert SYSTEM_CLOCK.monotonic() - began >= 0.25
        assert proxy.fired["bandwidth"] > 1


async def test_corruption_flips_one_bit_here_and_there_the_same_for_the_same_seed() -> None:
    heard: list[bytes] = []
    for pieces in (1, 64):
        async with connected(Link(down=Lane(corruption=0.01)), seed=7) as (proxy, client, there):
            for start in range(0, len(DATA), len(DATA) // pieces):
                await there.says(DATA[start : start + len(DATA) // pieces])
            heard.append(await client.hears(len(DATA)))
            changed = [a ^ b for a, b in zip(DATA, heard[-1], strict=True) if a != b]
            assert proxy.fired["corruption"] == len(changed)
            assert 0.003 < len(changed) / len(DATA) < 0.03
            assert all(difference.bit_count() == 1 for difference in changed)
    assert heard[0] == heard[1], "where it hits does not depend on how the bytes arrive"


async def test_corruption_of_everything_leaves_no_byte_as_it_was() -> None:
    async with connected(Link(up=Lane(corruption=1.0))) as (_, client, there):
        await client.says(DATA)
        assert not any(a == b for a, b in zip(DATA, await there.hears(len(DATA)), strict=True))


async def test_a_refusing_proxy_takes_nobody_new_and_keeps_who_is_there() -> None:
    async with connected() as (proxy, client, there):
        await proxy.play(Link(refuse=True))
        with pytest.raises(ConnectionRefusedError):
            await call(proxy.address)
        await client.says(b"still here")
        assert await there.hears(10) == b"still here"
        await proxy.play()
        second = await call(proxy.address)
        second.leaves()
        assert proxy.fired["refuse"] == 1


async def test_a_frozen_line_moves_nothing_and_goes_on_when_it_thaws() -> None:
    async with connected(Link(frozen=True)) as (proxy, client, there):
        await client.says(b"up")
        await there.says(b"down")
        assert await client.hears_until_end(quiet_s=QUIET_S) == (b"", "silent")
        assert await there.hears_until_end(quiet_s=QUIET_S) == (b"", "silent")
        await proxy.play()
        assert (await there.hears(2), await client.hears(4)) == (b"up", b"down")
        assert proxy.fired["freeze"] == 1


async def test_a_frozen_line_holds_its_sender_up_and_its_memory_down() -> None:
    async with connected(Link(frozen=True)) as (proxy, client, there):
        there.writer.transport.set_write_buffer_limits(high=0)
        sending = asyncio.create_task(there.says(bytes(32_000_000)))
        await client.hears_until_end(quiet_s=QUIET_S)
        assert not sending.done(), "the kernel's buffers are full, and so is ours"
        assert proxy._relays[0].down._held <= 16_384
        await proxy.play()
        assert len(await client.hears(32_000_000)) == 32_000_000
        await sending


async def test_memory_is_bounded_while_bytes_are_late() -> None:
    async with connected(Link(down=Lane(latency_s=30.0))) as (proxy, client, there):
        there.writer.transport.set_write_buffer_limits(high=0)
        sending = asyncio.create_task(there.says(bytes(32_000_000)))
        await client.hears_until_end(quiet_s=QUIET_S)
        assert proxy._relays[0].down._held <= 262_144 + 16_384
        await proxy.play()
        assert len(await client.hears(32_000_000)) == 32_000_000
        await sending


async def test_a_change_of_mind_reaches_bytes_that_already_wait() -> None:
    async with connected(Link(down=Lane(latency_s=30.0), up=Lane(bytes_per_s=1))) as (proxy, client, there):
        await there.says(b"late")
        await client.says(b"slow")
        assert await client.hears_until_end(quiet_s=QUIET_S) == (b"", "silent")
        await proxy.play()
        assert (await client.hears(4), await there.hears(4)) == (b"late", b"slow")


async def test_a_count_that_is_passed_already_fires_at_once() -> None:
    async with connected() as (proxy, client, there):
        await there.says(DATA)
        assert await client.hears(len(DATA)) == DATA
        await proxy.play(Link(down=Lane(cut_after=100)))
        assert await client.hears_until_end() == (b"", "closed")


async def test_a_counted_link_hits_the_next_connections_only() -> None:
    async with stage() as (proxy, target):
        before = await call(proxy.address)
        there = await target.peer()
        await proxy.play(Link(down=Lane(cut_after=3), times=2))
        ends: list[bytes] = []
        for _ in range(3):
            client = await call(proxy.address)
            peer = await target.peer()
            await peer.says(b"whole")
            peer.leaves()
            ends.append((await client.hears_until_end())[0])
            client.leaves()
        assert ends == [b"who", b"who", b"whole"]
        assert proxy.fired["cut"] == 2
        await there.says(b"untouched")
        assert await before.hears(9) == b"untouched"
        before.leaves()


@pytest.mark.parametrize("how, seen", [("cut", "closed"), ("reset", "reset")])
async def test_open_connections_are_cut_or_reset_on_command(how: str, seen: str) -> None:
    async with stage() as (proxy, target):
        clients = [await call(proxy.address) for _ in range(3)]
        for _ in clients:
            await (await target.peer()).says(b"hi")
        for client in clients:
            assert await client.hears(2) == b"hi"
        assert getattr(proxy, how)() == 3
        assert [(await client.hears_until_end())[1] for client in clients] == [seen] * 3
        assert proxy.fired[how] == 3
        assert getattr(proxy, how)() == 0, "what is being closed is not hit twice"
        for client in clients:
            client.leaves()
        await settled(proxy)
        assert proxy.fired[how] == 3


async def test_a_provider_behind_it_is_cut_like_any_service() -> None:
    async with ScriptedProvider() as provider, FaultProxy(provider.base_url.split("/")[2]) as proxy:
        assert text_and_finish((await exchange(f"http://{proxy.address}/v1")).body) == (ANSWER, "stop")
        await proxy.play(Link(down=Lane(cut_after=4_000)))
        taken = await exchange(f"http://{proxy.address}/v1")
        assert (len(taken.raw), taken.end) == (4_000, "closed")


async def test_closing_leaves_no_task_no_socket_and_no_port() -> None:
    gc.collect()
    tasks, sockets = len(asyncio.all_tasks()), len(psutil.Process().net_connections())
    lanes = Lane(latency_s=30.0)
    async with service() as target:
        async with FaultProxy(target.address) as proxy:
            for link in (HEALTHY, Link(frozen=True), Link(up=lanes, down=lanes), Link(down=Lane(half_open_after=0))):
                await proxy.play(Link(up=link.up, down=link.down, frozen=link.frozen, times=2))
                for _ in range(2):
                    client = await call(proxy.address)
                    await client.says(b"x")
                    await target.peer()
                    client.leaves()
            lost = await call(proxy.address)
            address = proxy.address
        assert (await lost.hears_until_end())[1] == "reset"
        lost.leaves()
        links = psutil.Process().net_connections()
        assert int(address.rpartition(":")[2]) not in [link.laddr.port for link in links if link.status == "LISTEN"]
    async with asyncio.timeout(WITHIN_S):
        while len(asyncio.all_tasks()) > tasks or len(psutil.Process().net_connections()) > sockets:
            await asyncio.sleep(0.01)


async def test_a_client_that_leaves_is_let_go() -> None:
    async with connected() as (proxy, client, there):
        await client.says(b"x")
        assert await there.hears(1) == b"x"
        client.leaves()
        assert (await there.hears_until_end())[1] == "closed"
        there.leaves()
        await settled(proxy)


@pytest.mark.parametrize("target", ["", "5432", "127.0.0.1:", "127.0.0.1:http"])
def test_a_target_without_host_and_port_is_refused(target: str) -> None:
    with pytest.raises(ConfigurationSettingError, match="host:port"):
        FaultProxy(target)


@pytest.mark.parametrize(
    "wrong", [{"latency_s": -1.0}, {"corruption": 1.5}, {"bytes_per_s": 0}, {"cut_after": 0.5}, {"cut_after": -1}]
)
def test_values_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationSettingError):
        Lane(**wrong)
