"""Links and streams under hard clients: gone without a word, slow, huge, foreign, too many, too slow to begin."""

import asyncio
import signal
from collections import Counter
from contextlib import aclosing, suppress

import pytest

from tests.faults.crowd import Tail, enter, held, listen, port_of, tail, vanish
from tests.faults.harness import Server, Stage
from tests.faults.seeds import seeded
from tests.faults.stages import shared_stage, stage
from tests.unit.api.links import Peer, dial, linked
from yaoki.cli.client import Client, Frame, LinkBack, LinkLost
from yaoki.faults import ANSWER, Script
from yaoki.faults.link import Lane, Link
from yaoki.faults.proxy import FaultProxy
from yaoki.resilience.clock import SYSTEM_CLOCK

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

NOTICED_S = 30.0
SLOW_TOKEN_S = 0.01
MB = 1024 * 1024


@pytest.mark.requirement("C1", "P-3")
async def test_a_dropped_link_is_resumed_by_id_however_often_it_drops(stage: Stage) -> None:
    rng = seeded()
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    session = await stage.session()
    async with linked(stage.server.port, session) as peer:
        await peer.say({"type": "message", "id": "m-1", "content": "How many ships?"})
        assert (await peer.take(1))[0]["type"] == "accepted"
    seen: list[dict[str, object]] = []
    while not ends(seen):
        async with linked(stage.server.port, session, f"?after={seen[-1]['id']}" if seen else "") as peer:
            for _ in range(rng.randrange(3, 12)):
                seen += [frame for frame in await peer.take(1) if frame["id"]]
                if ends(seen):
                    break
    assert text(seen) == ANSWER
    assert set(Counter(frame["id"] for frame in seen).values()) == {1}
    assert len(stage.first.asked) == 1


def ends(frames: list[dict[str, object]]) -> int:
    return sum(frame["event"]["type"] in ("RUN_FINISHED", "RUN_ERROR") for frame in frames)


def text(frames: list[dict[str, object]]) -> str:
    return "".join(frame["event"].get("delta", "") for frame in frames)


# C2: the other side is gone, and nobody said so.


@pytest.mark.requirement("C2")
@pytest.mark.timeout(90)
async def test_the_server_notices_clients_that_are_gone_without_a_word(stage: Stage) -> None:
    session = await stage.session()
    path = f"/ai/sessions/{session}/ws"
    unplugged: list[Peer | Tail] = [await dial(stage.server.port, path), await tail(stage.server, session)]
    frozen, alive = await dial(stage.server.port, path), await dial(stage.server.port, path)
    frozen.polite = False  # its machine takes every byte, but nobody is there who answers
    reading = [asyncio.create_task(listen(peer)) for peer in (frozen, alive)]
    for client in unplugged:
        vanish(client)
    lost = {port_of(client): client for client in (*unplugged, frozen)}
    began = SYSTEM_CLOCK.monotonic()
    while left := lost.keys() & held(stage.server):
        assert SYSTEM_CLOCK.monotonic() - began < NOTICED_S, [lost[port] for port in left]
        await asyncio.sleep(0.25)
    print(f"noticed within {SYSTEM_CLOCK.monotonic() - began:.1f} s")
    assert port_of(alive) in held(stage.server)
    for client in (*unplugged, frozen, alive):
        client.close()
    await asyncio.gather(*reading)


@pytest.mark.requirement("C2", "C10")
@pytest.mark.parametrize("dead", [Link(frozen=True), Link(down=Lane(half_open_after=0))], ids=["frozen", "half_open"])
async def test_a_client_notices_that_the_server_is_gone_and_comes_back(stage: Stage, dead: Link) -> None:
    await stage.play(Script(token_s=0.05), Script(), Script())
    session = await stage.session()
    after = (await stage.history(session))["event_id"]
    line = FaultProxy(f"127.0.0.1:{stage.server.port}")
    shown, died_at, lost_at, back = "", 0.0, 0.0, 0
    async with (
        line,
        Client(f"http://{line.address}", heartbeat_s=0.5, rng=seeded()) as client,
        aclosing(client.events(session, after)) as events,
    ):
        await client.send(session, "How many ships?")
        async for told in events:
            match told:
                case LinkLost():
                    lost_at = SYSTEM_CLOCK.monotonic()
                    await line.play()
                case LinkBack():
                    back += 1
                case Frame() if told.type == "TEXT_MESSAGE_CONTENT":
                    shown += told.event["delta"]
                case Frame() if told.type == "RUN_FINISHED":
                    break
                case _:
                    pass
            if not died_at and len(shown) > 20:
                died_at = SYSTEM_CLOCK.monotonic()
                await line.play(dead)
    assert 0 < lost_at - died_at < NOTICED_S / 3  # two heartbeats of half a second, and some patience
    assert back == 1
    assert shown == ANSWER


# C3: a reader that does not read.

QUESTION = "\N{GRINNING FACE}" * 31_000
READERS = 20


@pytest.mark.requirement("C3", "P-3")
async def test_readers_that_do_not_read_cost_little_and_resume_where_they_were(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("impatient")
    async with Stage(folder, Script(), limits={"send_timeout_s": 1.0}) as stage:
        session = await stage.session()
        after = await talk(stage, session, range(20))
        before = stage.server.process.memory_info().rss
        path = f"/ai/sessions/{session}/ws?after={after}"
        links = [await dial(stage.server.port, path, limit=1024) for _ in range(READERS)]
        tails = [await tail(stage.server, session, after, limit=1024) for _ in range(READERS)]
        await talk(stage, session, range(20, 60))
        async with stage.settling():
            while held(stage.server) & {port_of(client) for client in tails}:
                await stage.tick()
        grown = stage.server.process.memory_info().rss - before
        unread = 2 * READERS * 40 * len(QUESTION.encode())
        print(f"{2 * READERS} readers that left {unread / MB:.0f} MB unread: {grown / MB:.0f} MB")
        assert grown < unread * 0.4
        for peer in links:
            *told, guidance = await peer.rest()
            assert (peer.code, guidance["event"]["value"]["action"]) == (1013, "reconnect")
            async with linked(stage.server.port, session, f"?after={told[-1]['id']}") as resumed:
                while ends(told) < 40:
                    told += [frame for frame in await resumed.take(1) if frame["id"]]
            assert text(told) == ANSWER * 40
            peer.close()
        for client in tails:
            client.close()


async def talk(stage: Stage, session: str, numbers: range) -> str:
    """Ask long questions, each after the last answer; returns the id of the last event."""
    after = (await stage.http.get(f"/ai/sessions/{session}/history")).json()["event_id"]
    async with linked(stage.server.port, session, f"?after={after}") as peer:
        for number in numbers:
            await peer.say({"type": "message", "id": f"u{number}", "content": QUESTION})
            frame = {}
            while frame.get("event", {}).get("type") != "RUN_FINISHED":
                [frame] = await peer.take(1)
    return frame["id"]


# C4: everybody comes back at once.

CROWD = 1_000
PLACES = 700


@pytest.mark.requirement("C4")
async def test_a_thousand_clients_that_come_back_at_once_are_served_or_told_when(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    limits = {"max_streams": PLACES, "max_requests": 100}
    async with Stage(tmp_path_factory.mktemp("crowded"), Script(), limits=limits) as stage:
        session = await stage.session()
        await stage.send(session, "How many ships?", id="u1")
        async with stage.settling():
            while not (await stage.history(session))["messages"][1:]:
                await stage.tick()
        after = (await stage.history(session))["event_id"]
        sizes: list[int] = []
        for _ in range(3):
            responsive = asyncio.create_task(slowest_answer(stage, session))
            crowd = await asyncio.gather(*(enter(stage.server, session, after, number) for number in range(CROWD)))
            responsive.cancel()
            await asyncio.wait({responsive})
            waits = [wait_s for _, wait_s in crowd if wait_s is not None]
            assert len(crowd) - len(waits) <= PLACES
            assert len(waits) >= CROWD - PLACES
            assert max(waits) - min(waits) > 4.0  # not all at once again
            for client, _ in crowd:
                client.close()
            async with stage.settling():
                while len(held(stage.server)) > 5:
                    await stage.tick()
            sizes.append(stage.server.process.memory_info().rss)
            print(f"{len(crowd) - len(waits)} served, {len(waits)} told when; {sizes[-1] / MB:.0f} MB after")
        assert sizes[-1] - sizes[0] < 15 * MB
        async with linked(stage.server.port, session) as peer:
            assert [frame["event"]["type"] for frame in await peer.take(1)] == ["RUN_STARTED"]


async def slowest_answer(stage: Stage, session: str) -> None:
    """Ask for its life all the time; fail if one answer takes long."""
    while True:
        assert (await stage.http.get("/livez")).status_code == 200, session
        await asyncio.sleep(0.05)


# X: intruders.


@pytest.mark.requirement("X3")
async def test_a_frame_of_sixteen_megabytes_is_refused_early(stage: Stage) -> None:
    session = await stage.session()
    before = stage.server.process.memory_info().rss
    async with linked(stage.server.port, session) as peer, linked(stage.server.port, session) as other:
        saying = asyncio.create_task(peer.say("x" * (16 * MB)))
        assert await peer.rest() == []
        assert peer.code == 1009
        saying.cancel()
        await asyncio.wait({saying})
        assert stage.server.process.memory_info().rss < before + 8 * MB
        await other.say({"type": "ping"})
        assert await other.next() == {"type": "pong"}


@pytest.mark.requirement("X6")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_foreign_page_gets_no_link(stage: Stage, origin: str) -> None:
    peer = await dial(stage.server.port, f"/ai/sessions/{await stage.session()}/ws", origin=origin)
    peer.close()
    assert peer.status == 403


@pytest.mark.requirement("X7")
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80"])
async def test_a_name_that_is_not_ours_gets_no_link(stage: Stage, host: str) -> None:
    path = f"/ai/sessions/{await stage.session()}/ws"
    peer = await dial(stage.server.port, path, host=host, origin=f"http://{host}")
    peer.close()
    assert peer.status == 403


@pytest.mark.requirement("X11")
async def test_clients_that_never_end_their_headers_are_let_go(stage: Stage) -> None:
    beginnings = [
        b"",
        b"GET /ai/sessions HTTP/1.1\r\nHost: localhost\r\nX: ",
        b"GET /x HTTP/1.1\r\nUpgrade: websocket\r\n",
    ]
    slow = [await asyncio.open_connection("127.0.0.1", stage.server.port) for _ in range(150)]
    for number, (_, writer) in enumerate(slow):
        writer.write(beginnings[number % len(beginnings)])
    assert (await stage.http.get("/livez")).status_code == 200
    async with asyncio.timeout(20):
        for reader, writer in slow:
            with suppress(ConnectionResetError):  # let go either way
                assert await reader.read() == b""
            writer.close()


@pytest.mark.requirement("P5", "P-7")
async def test_a_stop_tells_links_where_to_come_back_to(stage: Stage) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    session = await stage.session()
    async with linked(stage.server.port, session) as peer:
        await peer.say({"type": "message", "id": "m-1", "content": "How many ships?"})
        await peer.take(4)
        await stop(stage.server)
        *_, farewell = await peer.rest()
        assert peer.code == 1012
    value = farewell["event"]["value"]
    await stage.server.start()
    async with linked(stage.server.port, session, f"?after={value['resume_from']}") as peer:
        await peer.say({"type": "ping"})
        assert {"type": "pong"} in await peer.take(1)


async def stop(server: Server) -> None:
    server.signal(signal.SIGTERM)
    assert await server.ended() == 0
