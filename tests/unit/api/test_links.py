"""The WebSocket of a session: the same frames as the event stream, and what a client may say."""

import asyncio
import json

import pytest

from tests.unit.api.agui import Client
from tests.unit.api.conftest import Serve
from tests.unit.api.links import dial, linked
from tests.unit.api.served import OWNER, Served
from tests.unit.api.test_streams import eventful
from yaoki.api import ApiPolicy
from yaoki.resilience.clock import SYSTEM_CLOCK
from yaoki.store.events import TurnStarted

GUIDANCE = "yaoki.guidance"


async def test_a_link_tells_what_the_event_stream_tells(served: Served) -> None:
    session, turn = await eventful(served)
    await served.end(turn)
    async with served.follow(session) as stream, linked(served.port, session) as peer:
        told = [(frame.id, frame.body) for frame in await stream.take(18)]
        assert [(frame["id"], frame["event"]) for frame in await peer.take(18)] == told


@pytest.mark.requirement("C1", "P-3")
async def test_a_link_resumed_at_any_frame_goes_on_where_it_was(served: Served) -> None:
    session, turn = await eventful(served)
    await served.end(turn)
    async with linked(served.port, session) as peer:
        frames = await peer.take(18)
    whole = Client()
    whole.take(frame["event"] for frame in frames)
    for index, frame in enumerate(frames[:-1], 1):
        client = Client()
        client.take(seen["event"] for seen in frames[:index])
        client.reconnected()
        resumed: list[dict[str, object]] = []
        async with linked(served.port, session, f"?after={frame['id']}") as peer:
            while not resumed or resumed[-1] != frames[-1]:
                resumed += await peer.take(1)
        assert [told for told in resumed if told["id"]] == frames[index:]
        client.take(told["event"] for told in resumed)
        assert (client.messages, client.ends) == (whole.messages, whole.ends), f"resumed at {frame['id']}"


@pytest.mark.requirement("C7")
async def test_a_link_from_another_log_is_told_to_begin_anew(served: Served) -> None:
    session = await served.session()
    await served.answer(session, "hello", "Hi")
    async with linked(served.port, session, "?after=another:3.1") as peer:
        reset, snapshot = await peer.take(2)
    assert reset["event"]["value"]["reason"] == "log_changed"
    assert [message["content"] for message in snapshot["event"]["messages"]] == ["hello", "Hi"]


@pytest.mark.requirement("P-7")
async def test_a_quiet_link_shows_that_it_lives(serve: Serve) -> None:
    async with serve(ApiPolicy(heartbeat_s=0.05)) as served, linked(served.port, await served.session()) as peer:
        while len(peer.frames) < 3:
            assert await peer.pump()
    assert all(frame["id"] is None for frame in peer.frames)
    assert {frame["event"]["name"] for frame in peer.frames} == {"yaoki.heartbeat"}


@pytest.mark.requirement("C5", "P-1")
async def test_a_message_is_acknowledged_once_it_is_on_disk_and_once_only_runs(served: Served) -> None:
    session = await served.session()
    async with linked(served.port, session) as peer:
        message = {"type": "message", "id": "m-1", "content": "hello"}
        await peer.say(message)
        await peer.say(message)
        first, again = await peer.take(2)
        turn = await served.claim(session)
        [begun] = await peer.take(1)
        await peer.say({**message, "content": "something else"})
        [conflict] = await peer.take(1)
    assert (first["type"], first["id"], first["turn_id"], first["duplicate"]) == ("accepted", "m-1", turn.id, False)
    assert again == {**first, "duplicate": True}
    assert begun["event"]["input"]["messages"][0]["id"] == "m-1"
    assert (conflict["type"], conflict["id"]) == ("error", "m-1")
    assert (conflict["problem"]["status"], conflict["problem"]["kind"]) == (409, "session.conflict")


async def test_cancel_names_the_turns_that_it_stops(served: Served) -> None:
    session = await served.session()
    async with linked(served.port, session) as peer:
        await peer.say({"type": "cancel"})
        assert await peer.take(1) == [{"type": "cancelled", "turn_ids": []}]
        turn = await served.begin(session)
        await peer.say({"type": "cancel", "turn_id": turn.id})
        begun, cancelled = await peer.take(2)
    assert begun["event"]["type"] == "RUN_STARTED"
    assert cancelled == {"type": "cancelled", "turn_ids": [turn.id]}


async def test_ping_is_answered(served: Served) -> None:
    async with linked(served.port, await served.session()) as peer:
        await peer.say({"type": "ping"})
        assert await peer.next() == {"type": "pong"}


@pytest.mark.requirement("P-8")
@pytest.mark.parametrize(
    "frame, status, field",
    [
        ({"type": "dance"}, 422, "type"),
        ({"type": ["message"]}, 422, "type"),
        ({}, 422, "type"),
        ({"type": "message", "content": "no id"}, 422, "id"),
        ({"type": "message", "id": "m", "content": "  "}, 422, "content"),
        ({"type": "message", "id": "m", "content": "x" * 50}, 422, "content"),
        ({"type": "message", "id": "m", "content": "x", "agent": "y"}, 422, "agent"),
        ({"type": "message", "id": 7, "content": "x"}, 422, "id"),
        ({"type": "cancel", "turn_id": "t_unknown"}, 404, None),
        ({"type": "ping", "extra": 1}, 422, "extra"),
    ],
)
async def test_what_cannot_be_served_is_answered_and_the_link_goes_on(
    serve: Serve, frame: dict[str, object], status: int, field: str | None
) -> None:
    async with serve(ApiPolicy(message_chars=40)) as served, linked(served.port, await served.session()) as peer:
        await peer.say(frame)
        [error] = await peer.take(1)
        await peer.say({"type": "ping"})
        assert await peer.next() == {"type": "pong"}
    assert error["type"] == "error"
    assert error["id"] == (frame.get("id") if isinstance(frame.get("id"), str) else None)
    problem = error["problem"]
    assert (problem["status"], problem.get("field")) == (status, field)
    assert problem["route"] == "WS /ai/sessions/{session_id}/ws"


@pytest.mark.parametrize("frame", ["not JSON", "[]", "7", "null", "[" * 30_000, '{"type": "ping"'])
async def test_what_is_no_frame_ends_the_link(served: Served, frame: str) -> None:
    async with linked(served.port, await served.session()) as peer:
        await peer.say(frame)
        [error] = await peer.rest()
        assert (error["problem"]["kind"], peer.code) == ("communication.protocol", 1008)


async def test_binary_frames_end_the_link(served: Served) -> None:
    async with linked(served.port, await served.session()) as peer:
        await peer.say(b'{"type": "ping"}')
        assert await peer.rest() == []
        assert peer.code == 1003


@pytest.mark.requirement("X3")
@pytest.mark.parametrize("mega_bytes", [1, 16])
async def test_an_oversized_frame_ends_the_link_early(serve: Serve, mega_bytes: int) -> None:
    async with serve(ApiPolicy(message_chars=1000)) as served, linked(served.port, await served.session()) as peer:
        saying = asyncio.create_task(peer.say("x" * (mega_bytes << 20)))
        assert await peer.rest() == []
        assert peer.code == 1009
        assert "77536" in peer.reason
        saying.cancel()
        await asyncio.wait({saying})


async def test_the_longest_message_fits_however_json_spells_it(served: Served) -> None:
    longest = "\N{GRINNING FACE}" * ApiPolicy().message_chars
    frame = json.dumps({"type": "message", "id": "m", "content": longest}, ensure_ascii=True)
    async with linked(served.port, await served.session()) as peer:
        await peer.say(frame)
        [accepted] = await peer.take(1)
    assert accepted["type"] == "accepted"


@pytest.mark.requirement("C3")
async def test_a_link_that_is_not_read_is_dismissed_and_told_so_when_it_reads_again(serve: Serve) -> None:
    async with serve(ApiPolicy(send_timeout_s=0.2)) as served:
        session = await served.session()
        turn = await served.begin(session)
        peer = await dial(served.port, f"/ai/sessions/{session}/ws", limit=1024)
        for _ in range(100):  # more than sockets and buffers can hold
            await served.say(turn, "x" * 200_000)
        await served.until(lambda: served.app.state.streams["websocket"] == 0)
        *told, guidance = await peer.rest()
        peer.close()
        assert peer.code == 1013
        assert (guidance["event"]["name"], guidance["event"]["value"]["action"]) == (GUIDANCE, "reconnect")
        assert len(told) < 100
        async with linked(served.port, session, f"?after={told[-1]['id']}") as resumed:
            assert [frame["event"]["type"] for frame in await resumed.take(1)] == ["RUN_STARTED"]


@pytest.mark.requirement("C3")
async def test_a_slow_link_that_takes_something_is_waited_for(serve: Serve) -> None:
    send_timeout_s = 1.0
    async with serve(ApiPolicy(send_timeout_s=send_timeout_s)) as served:
        session = await served.session()
        await served.say(await served.begin(session), "x" * 8_000_000)
        began = SYSTEM_CLOCK.monotonic()
        peer = await dial(served.port, f"/ai/sessions/{session}/ws?after=another:1.1", limit=1024)
        reads = 0
        while not any(frame["event"]["type"] == "TEXT_MESSAGE_START" for frame in peer.frames):
            assert await peer.pump(), peer.code
            reads += 1
            if reads % 20 == 0:  # never still for as long as the deadline, and slower than it in all
                await asyncio.sleep(0.2)
        assert SYSTEM_CLOCK.monotonic() - began > send_timeout_s
        peer.close()


@pytest.mark.requirement("P5", "P-7")
async def test_a_stop_ends_links_with_the_place_to_come_back_to(served: Served) -> None:
    session, turn = await eventful(served)
    async with linked(served.port, session) as peer:
        await peer.take(14)
        await served.say(turn, "!", model="two")
        served.app.state.closing.set()
        *last, farewell = await peer.rest()
        value = farewell["event"]["value"]
        assert peer.code == 1012
    assert last[-1]["event"]["delta"] == "!"
    assert (value["state"], value["action"]) == ("restarting", "reconnect")
    assert 2.0 <= value["retry_after_s"] <= 4.0
    assert value["resume_from"].startswith(f"{served.orchestrator.log_id}:")


@pytest.mark.requirement("P-7")
async def test_a_deleted_session_ends_its_links_with_a_word(served: Served) -> None:
    session = await served.session()
    async with linked(served.port, session) as peer:
        await served.client.delete(f"/ai/sessions/{session}")
        [farewell] = await peer.rest()
        assert peer.code == 1001
    assert farewell["event"]["value"]["state"] == "deleted"


async def test_unreadable_records_end_a_link_with_what_is_wrong(served: Served) -> None:
    session = await served.session()
    turn = await served.begin(session)
    await served.write(turn, TurnStarted(turn=turn.id, agent="default"))
    await served.damage(session, 2)
    async with linked(served.port, session) as peer:
        [farewell] = await peer.rest()
        assert peer.code == 1011
    assert farewell["event"]["value"]["state"] == "session.corrupted"


@pytest.mark.requirement("C9")
async def test_a_client_that_leaves_is_noticed_and_its_turn_goes_on(served: Served) -> None:
    session = await served.session()
    turn = await served.begin(session)
    async with linked(served.port, session), linked(served.port, session):
        await served.until(lambda: served.app.state.streams["websocket"] == 2)
    await served.until(lambda: served.app.state.streams["websocket"] == 0)
    await served.say(turn, "Nobody hears this.")
    await served.end(turn)
    history = (await served.client.get(f"/ai/sessions/{session}/history")).json()
    assert history["messages"][-1]["content"] == "Nobody hears this."


@pytest.mark.requirement("X5")
@pytest.mark.parametrize("query", ["", "?after=nothing"])
async def test_a_link_that_cannot_be_served_is_told_why(served: Served, query: str) -> None:
    theirs = await served.orchestrator.create_session("somebody")
    async with linked(served.port, theirs.id, query) as peer:
        [error] = await peer.rest()
        assert peer.code == 1008
    assert error["problem"]["kind"] == ("security.input_rejected" if query else "session.not_found")


# Who may open one.


@pytest.mark.requirement("X6")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil"])
async def test_a_page_of_another_site_gets_no_link(served: Served, origin: str) -> None:
    peer = await dial(served.port, f"/ai/sessions/{await served.session()}/ws", origin=origin)
    peer.close()
    assert (peer.status, json.loads(peer.rejection)["field"]) == (403, "Origin")


@pytest.mark.requirement("X7")
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil"])
async def test_a_name_that_is_not_ours_gets_no_link(served: Served, host: str) -> None:
    peer = await dial(served.port, f"/ai/sessions/{await served.session()}/ws", host=host, origin=f"http://{host}")
    peer.close()
    assert (peer.status, json.loads(peer.rejection)["field"]) == (403, "Host")


@pytest.mark.requirement("X6", "X7")
async def test_our_own_page_and_named_sites_get_a_link(serve: Serve) -> None:
    async with serve(ApiPolicy(origins=("https://app.example",), hosts=("yaoki.example",))) as served:
        session = await served.session()
        for host, origin in [
            (f"127.0.0.1:{served.port}", f"http://127.0.0.1:{served.port}"),
            ("yaoki.example", "https://yaoki.example"),
            ("localhost", "https://app.example"),
        ]:
            peer = await dial(served.port, f"/ai/sessions/{session}/ws", host=host, origin=origin)
            peer.close()
            assert peer.status == 101, origin


async def test_a_ticket_opens_one_link_for_its_owner(served: Served) -> None:
    session = await served.session()
    theirs = (await served.orchestrator.create_session("somebody")).id
    answer = await served.client.post("/ai/tickets")
    ticket = answer.json()["ticket"]
    assert (answer.status_code, answer.json()["expires_in_s"]) == (201, 30.0)
    async with linked(served.port, session, f"?ticket={ticket}") as peer:
        await peer.say({"type": "ping"})
        assert await peer.next() == {"type": "pong"}
    await _refused(served, session, ticket)  # once
    ticket = served.app.state.services.tickets.issue("somebody")
    async with linked(served.port, theirs, f"?ticket={ticket}") as peer:
        await peer.say({"type": "ping"})
        assert await peer.next() == {"type": "pong"}
    for owner, foreign in (("somebody", session), (OWNER, theirs)):
        ticket = served.app.state.services.tickets.issue(owner)
        async with linked(served.port, foreign, f"?ticket={ticket}") as peer:
            [error] = await peer.rest()
        assert error["problem"]["kind"] == "session.not_found"
    await _refused(served, session, "made-up")
    await _refused(served, session, "")


async def _refused(served: Served, session: str, ticket: str) -> None:
    async with linked(served.port, session, f"?ticket={ticket}") as peer:
        [error] = await peer.rest()
        assert (peer.code, error["problem"]["kind"]) == (1008, "security.unauthenticated")


# The other side is gone.


@pytest.mark.requirement("C2")
async def test_a_peer_that_does_not_answer_pings_is_let_go(serve: Serve) -> None:
    async with serve(ApiPolicy(ping_s=0.05, pong_s=0.3)) as served:
        polite, deaf = [await dial(served.port, f"/ai/sessions/{await served.session()}/ws") for _ in range(2)]
        deaf.polite = False
        reading = asyncio.create_task(polite.rest())
        await deaf.rest()
        await served.until(lambda: polite.pings >= 10)
        assert served.app.state.streams["websocket"] == 1
        polite.close()
        await reading
        deaf.close()
