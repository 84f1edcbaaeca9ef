import asyncio
import json
from contextlib import AsyncExitStack, aclosing
from typing import Any

import httpx2
import pytest

from tests.unit.api.agui import Client
from tests.unit.api.conftest import Serve
from tests.unit.api.links import narrow
from tests.unit.api.served import OWNER, Received, Served, Stream
from yaoki.api import ApiPolicy
from yaoki.resilience.clock import SYSTEM_CLOCK
from yaoki.store.contract import Turn
from yaoki.store.events import FailedOver, Reset, TextDelta, TurnEnded, TurnStarted

QUICK = ApiPolicy(heartbeat_s=0.05)


async def eventful(served: Served) -> tuple[str, Turn]:
    """A session with a whole turn, and one that failed over, was reset and is still open."""
    session = await served.session()
    await served.answer(session, "hello", "Hi ", "there.")
    turn = await served.begin(session, "and now?")
    await served.say(turn, "Half ")
    over = FailedOver(
        turn=turn.id, from_model="one", to_model="two", kind="model.truncated", phase="mid_stream", at_char=5
    )
    await served.write(turn, over, Reset(turn=turn.id, message=f"m-{turn.id}", reason="the seam was refused"))
    await served.say(turn, "Another ", "answer", model="two")
    return session, turn


async def test_the_whole_log_comes_with_ids_and_without_anything_else(served: Served) -> None:
    session, turn = await eventful(served)
    async with served.follow(session) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert stream.response.headers["cache-control"] == "no-store"
        assert stream.response.headers["x-accel-buffering"] == "no"
        frames = await stream.take(14)
        await served.end(turn)
        frames += await stream.take(2)
    assert [frame.body["type"].removeprefix("TEXT_MESSAGE_") for frame in frames] == [
        "RUN_STARTED", "START", "CONTENT", "CONTENT", "END", "RUN_FINISHED",
        "RUN_STARTED", "START", "CONTENT", "CUSTOM", "END", "CUSTOM", "MESSAGES_SNAPSHOT", "START", "CONTENT",
        "CONTENT", "END", "RUN_FINISHED",
    ][: len(frames)]  # fmt: skip
    ids = [frame.id for frame in frames]
    assert None not in ids
    assert len(set(ids)) == len(ids)
    assert all(str(frame_id).startswith(f"{served.orchestrator.log_id}:") for frame_id in ids)


@pytest.mark.requirement("C1", "C10", "P-3")
async def test_a_stream_resumed_at_any_frame_goes_on_where_it_was(served: Served) -> None:
    session, turn = await eventful(served)
    await served.end(turn)
    async with served.follow(session) as stream:
        frames = await stream.take(18)
    whole = Client()
    whole.take(frame.body for frame in frames)
    assert whole.messages[-1][2] == "Another answer"
    for index, frame in enumerate(frames[:-1], 1):
        client = Client()
        client.take(seen.body for seen in frames[:index])
        client.reconnected()
        async with served.follow(session, **{"Last-Event-ID": str(frame.id)}) as stream:
            resumed = [await stream.next()]
            while resumed[-1] != frames[-1]:
                resumed.append(await stream.next())
        told = [received for received in resumed if received]
        assert [received for received in told if received.id] == frames[index:]
        client.take(received.body for received in told)
        assert (client.messages, client.ends) == (whole.messages, whole.ends), f"resumed at {frame.id}"


async def test_a_prelude_opens_the_run_and_the_message_again(served: Served) -> None:
    session, turn = await eventful(served)
    after = (await served.client.get(f"/ai/sessions/{session}/history")).json()["event_id"]
    async with served.follow(session, **{"Last-Event-ID": after}) as stream:
        started, snapshot, reopened = await stream.take(3)
    assert (started.id, snapshot.id, reopened.id) == (None, None, None)
    assert (started.body["type"], started.body["runId"]) == ("RUN_STARTED", turn.id)
    assert [message["content"] for message in snapshot.body["messages"]] == [
        "hello", "Hi there.", "and now?", "Another answer",
    ]  # fmt: skip
    assert reopened.body == {
        "type": "TEXT_MESSAGE_START",
        "messageId": f"m-{turn.id}",
        "role": "assistant",
        "name": "two",
    }


async def test_the_header_wins_over_the_query(served: Served) -> None:
    session = await served.session()
    await served.answer(session, "hello", "Hi")
    log = served.orchestrator.log_id
    path = f"/ai/sessions/{session}/events?after={log}:4.1"
    headers = {"Last-Event-ID": f"{log}:1.0"}
    async with (
        served.client.stream("GET", path, headers=headers) as response,
        aclosing(response.aiter_text()) as texts,
    ):
        first = await anext(texts)
    assert f"id: {log}:2.1\n" in first
    assert "RUN_STARTED" in first


@pytest.mark.parametrize("after", ["nothing", "x:1", "x:1.x", "x y:1.1"])
async def test_a_malformed_id_is_refused(served: Served, after: str) -> None:
    session = await served.session()
    for params, headers, field in ((None, {"Last-Event-ID": after}, "Last-Event-ID"), ({"after": after}, {}, "after")):
        response = await served.client.get(f"/ai/sessions/{session}/events", params=params, headers=headers)
        assert (response.status_code, response.json()["field"]) == (400, field)


@pytest.mark.parametrize("after", ["another:3.1", "{log}:9999.1", "{log}:{next}.1"])
@pytest.mark.requirement("C7", "S15")
async def test_an_id_that_is_not_in_this_log_is_answered_with_the_state_as_it_is(served: Served, after: str) -> None:
    session, turn = await eventful(served)
    log, last = served.orchestrator.log_id, (await served.orchestrator.session(OWNER, session)).last_seq
    async with served.follow(session, **{"Last-Event-ID": after.format(log=log, next=last + 1)}) as stream:
        started, reset, snapshot, reopened = await stream.take(4)
        await served.say(turn, " indeed", model="two")
        [more] = await stream.take(1)
    assert (started.body["type"], started.id) == ("RUN_STARTED", None)
    assert (reset.body["name"], reset.body["value"]["reason"]) == ("yaoki.reset", "log_changed")
    assert snapshot.body["messages"][-1]["content"] == "Another answer"
    assert reopened.body["type"] == "TEXT_MESSAGE_START"
    assert more.body["delta"] == " indeed"
    async with served.follow(session, **{"Last-Event-ID": str(snapshot.id)}) as stream:
        again = await stream.take(4)
    assert again[-1] == more


@pytest.mark.requirement("C7")
async def test_between_runs_a_lost_place_is_answered_without_a_run(served: Served) -> None:
    session = await served.session()
    await served.answer(session, "hello", "Hi")
    async with served.follow(session, **{"Last-Event-ID": "another:3.1"}) as stream:
        reset, snapshot = await stream.take(2)
    assert reset.body["value"] == {"turnId": None, "messageId": None, "reason": "log_changed"}
    assert len(snapshot.body["messages"]) == 2


@pytest.mark.requirement("C8")
async def test_two_tabs_get_the_same_frames(served: Served) -> None:
    session, turn = await eventful(served)
    async with served.follow(session) as one, served.follow(session) as two:
        await served.say(turn, "!", model="two")
        await served.end(turn)
        assert await one.take(19) == await two.take(19)


@pytest.mark.requirement("P-7")
async def test_silence_is_filled_with_visible_heartbeats(serve: Serve) -> None:
    async with serve(QUICK) as served, served.follow(await served.session()) as stream:
        for _ in range(3):
            block = await stream.block()
            assert block is not None
            assert block.startswith("data: ")  # no id: it is no place in the log
            assert json.loads(block.removeprefix("data: "))["name"] == "yaoki.heartbeat"


@pytest.mark.requirement("P-7")
async def test_a_deleted_session_ends_its_streams_with_a_word(served: Served) -> None:
    session = await served.session()
    async with served.follow(session) as stream:
        await served.client.delete(f"/ai/sessions/{session}")
        [farewell] = await stream.rest()
    value = farewell.body["value"]
    assert (farewell.body["name"], value["state"], value["action"]) == ("yaoki.guidance", "deleted", "reload")


@pytest.mark.requirement("P5", "P-7")
async def test_a_stop_ends_streams_with_the_place_to_come_back_to(served: Served) -> None:
    session, turn = await eventful(served)
    async with served.follow(session) as stream:
        frames = await stream.take(14)
        await served.say(turn, "!", model="two")
        served.app.state.closing.set()
        *last, farewell = await stream.rest()
    value = farewell.body["value"]
    assert last[-1].body["delta"] == "!"
    assert (value["state"], value["action"]) == ("restarting", "reconnect")
    assert 2.0 <= value["retry_after_s"] <= 4.0
    whole = Client()
    whole.take(frame.body for frame in [*frames, *last])
    log, _, place = value["resume_from"].partition(":")
    stored = await served.orchestrator.session(OWNER, session)
    assert (log, place) == (served.orchestrator.log_id, f"{stored.last_seq + 1}.0")


@pytest.mark.requirement("C9")
async def test_a_reader_that_leaves_is_noticed_and_its_turn_goes_on(served: Served) -> None:
    session = await served.session()
    turn = await served.begin(session)
    async with AsyncExitStack() as readers:
        for _ in range(5):
            await readers.enter_async_context(served.follow(session))
        await served.until(lambda: served.app.state.streams["sse"] == 5)
    await served.until(lambda: served.app.state.streams["sse"] == 0)
    await served.say(turn, "Nobody hears this.")
    await served.end(turn)
    history = (await served.client.get(f"/ai/sessions/{session}/history")).json()
    assert history["messages"][-1]["content"] == "Nobody hears this."


@pytest.mark.requirement("C3")
async def test_a_reader_that_does_not_read_is_cut_off(serve: Serve) -> None:
    async with serve(ApiPolicy(send_timeout_s=0.2)) as served:
        session = await served.session()
        turn = await served.begin(session)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
        writer.write(f"GET /ai/sessions/{session}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        await reader.readuntil(b"RUN_STARTED")
        for _ in range(100):  # more than sockets and buffers can hold
            await served.say(turn, "x" * 200_000)
        await served.until(lambda: served.app.state.streams["sse"] == 0)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(100 * 200_000)  # what had been sent, and then no proper end
        writer.close()
        async with served.follow(session) as stream:
            assert [frame.body["type"] for frame in await stream.take(2)] == ["RUN_STARTED", "TEXT_MESSAGE_START"]


@pytest.mark.requirement("C3")
async def test_a_slow_reader_that_takes_something_is_waited_for(serve: Serve) -> None:
    send_timeout_s = 1.0
    async with serve(ApiPolicy(send_timeout_s=send_timeout_s)) as served:
        session = await served.session()
        await served.say(await served.begin(session), "x" * 8_000_000)
        reader, writer = await narrow(served.port, 1024)
        began = SYSTEM_CLOCK.monotonic()
        path = f"/ai/sessions/{session}/events?after=another:1.1"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        tail, reads = b"", 0
        while b"TEXT_MESSAGE_START" not in tail:  # after a snapshot of 8 MB
            piece = await reader.read(65_536)
            assert piece, "cut"
            tail, reads = tail[-100:] + piece, reads + 1
            if reads % 20 == 0:  # never still for as long as the deadline, and slower than it in all
                await asyncio.sleep(0.2)
        assert SYSTEM_CLOCK.monotonic() - began > send_timeout_s
        writer.transport.abort()


# The answer to a message as a stream.


def ask(served: Served, session: str, **message: str) -> Any:
    return served.client.stream(
        "POST",
        f"/ai/sessions/{session}/messages",
        json={"content": "hello", **message},
        headers={"Accept": "text/event-stream"},
        timeout=10.0,
    )


async def read(response: Any) -> list[Received]:
    assert response.headers["content-type"].startswith("text/event-stream")
    return await Stream(response).rest()


async def test_a_message_may_be_answered_by_its_own_turn_to_its_end(served: Served) -> None:
    session = await served.session()
    await served.answer(session, "earlier", "Yes.")
    async with ask(served, session) as response:
        turn = await served.claim(session)
        await served.say(turn, "Hi ", "there.")
        await served.end(turn)
        frames = await read(response)
    assert [frame.body["type"] for frame in frames] == [
        "RUN_STARTED",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
    ]
    async with served.follow(session) as stream:
        assert (await stream.take(11))[5:] == frames


async def test_a_message_in_line_hears_only_of_its_own_turn(serve: Serve) -> None:
    async with serve(QUICK) as served:
        session = await served.session()
        running = await served.begin(session, "first")
        async with ask(served, session) as response:
            await served.say(running, "Not for you. ")
            waiting = await anext(blocks := response.aiter_text())
            assert waiting.startswith(": ")  # AG-UI streams begin with RUN_STARTED: until then, comments keep it alive
            await served.end(running)
            turn = await served.claim(session)
            await served.write(turn, Reset(turn=turn.id, message="none", reason="begin again"))
            await served.write(turn, TurnEnded(turn=turn.id, outcome="cancelled", kind="agent.cancelled"))
            text = "".join([piece async for piece in blocks])
    bodies = [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: ")]
    bodies = [body for body in bodies if body.get("name") != "yaoki.heartbeat"]
    assert [body["type"] for body in bodies] == ["RUN_STARTED", "CUSTOM", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    assert [message["content"] for message in bodies[2]["messages"]] == ["first", "Not for you. ", "hello"]
    assert {body["runId"] for body in (bodies[0], bodies[-1])} == {turn.id}


@pytest.mark.requirement("C5", "C6")
async def test_asking_again_tells_the_same_turn_again(served: Served) -> None:
    session = await served.session()
    async with ask(served, session, id="u1") as response:
        turn = await served.claim(session)
        await served.say(turn, "Hi")
        await served.end(turn)
        first = await read(response)
    await served.answer(session, "later", "More.")
    async with ask(served, session, id="u1") as response:
        again = await read(response)
    assert again == first
    assert again[0].body["runId"] == turn.id


@pytest.mark.requirement("P5", "P-2")
async def test_a_stop_breaks_an_unfinished_answer_after_saying_why(served: Served) -> None:
    session = await served.session()
    async with ask(served, session) as response:
        turn = await served.claim(session)
        await served.write(turn, TextDelta(turn=turn.id, message="m", text="Half an", model="one"))
        stream = Stream(response)
        begun = await stream.take(3)
        served.app.state.closing.set()
        farewell = await stream.next()
        with pytest.raises(httpx2.RemoteProtocolError):  # some clients take every proper end for the end of the run
            await stream.next()
    assert [frame.body["type"] for frame in begun][:2] == ["RUN_STARTED", "TEXT_MESSAGE_START"]
    assert farewell is not None
    assert farewell.body["value"]["state"] == "restarting"


async def test_unreadable_records_end_a_stream_with_what_is_wrong(served: Served) -> None:
    session = await served.session()
    turn = await served.begin(session)
    await served.write(turn, TurnStarted(turn=turn.id, agent="default"))
    await served.damage(session, 2)
    async with served.follow(session) as stream:
        [farewell] = await stream.rest()
    assert farewell.body["value"]["state"] == "session.corrupted"


async def test_a_reset_tells_every_message_again_also_those_from_long_before(served: Served) -> None:
    session = await served.session()
    for number in range(3):
        await served.answer(session, f"question {number}", f"answer {number}")
    after = (await served.client.get(f"/ai/sessions/{session}/history")).json()["event_id"]
    async with served.follow(session, **{"Last-Event-ID": after}) as stream:
        turn = await served.begin(session, "question 3")
        await served.say(turn, "Half ")
        await served.write(turn, Reset(turn=turn.id, message=f"m-{turn.id}", reason="the seam was refused"))
        frames = await stream.take(6)
    told = [message["content"] for message in frames[-1].body["messages"]]
    assert told == ["question 0", "answer 0", "question 1", "answer 1", "question 2", "answer 2", "question 3"]
