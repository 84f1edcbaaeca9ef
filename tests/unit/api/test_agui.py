"""AG-UI: a run is started once, told as often as it is asked for, and found again under the client's own names."""

from contextlib import aclosing
from typing import Any

import httpx2
import pytest

from tests.unit.api.agui import Client
from tests.unit.api.conftest import Serve
from tests.unit.api.served import OWNER, Received, Served, Stream
from yaoki.api import ApiPolicy
from yaoki.store.contract import Turn
from yaoki.store.events import Reset, TextDelta, TurnEnded

Body = dict[str, Any]


def wanted(run: str = "run-1", thread: str = "thread-1", *messages: Body) -> Body:
    asked = list(messages) or [{"id": "u1", "role": "user", "content": "hello"}]
    return {"threadId": thread, "runId": run, "messages": asked, "tools": [], "context": [], "forwardedProps": {}}


def ask(served: Served, body: Body, **headers: str) -> Any:
    return served.client.stream("POST", "/agui", json=body, headers=headers, timeout=10.0)


def tell(served: Served, **params: str) -> Any:
    return served.client.stream("GET", "/agui", params=params, timeout=10.0)


async def read(response: httpx2.Response) -> list[Received]:
    assert response.status_code == 200, await response.aread()
    assert response.headers["content-type"].startswith("text/event-stream")
    return await Stream(response).rest()


def session_of(response: httpx2.Response) -> str:
    return response.headers["content-location"].removeprefix("/ai/sessions/")


async def ran(served: Served, body: Body, *texts: str) -> tuple[list[Received], str, Turn]:
    """A whole run."""
    async with ask(served, body) as response:
        session = session_of(response)
        turn = await served.claim(session)
        await served.say(turn, *(texts or ("Hi ", "there.")))
        await served.end(turn)
        return await read(response), session, turn


def messages(frames: list[Received], *known: tuple[str, str, str]) -> list[tuple[str, str, str]]:
    """What the reference client shows after them, if that is what it showed before."""
    client = Client()
    client.messages = list(known)
    client.take(frame.body for frame in frames)
    return client.messages


async def test_a_run_is_told_under_its_clients_names(served: Served) -> None:
    frames, session, turn = await ran(served, wanted())
    started, finished = frames[0].body, frames[-1].body
    assert (started["threadId"], started["runId"]) == ("thread-1", "run-1")
    assert (started["input"]["threadId"], started["input"]["runId"]) == ("thread-1", "run-1")
    assert (finished["type"], finished["threadId"], finished["runId"]) == ("RUN_FINISHED", "thread-1", "run-1")
    assert messages(frames) == [("u1", "user", "hello"), (f"m-{turn.id}", "assistant", "Hi there.")]
    assert (await served.orchestrator.session(OWNER, session)).metadata == {"thread_id": "thread-1"}
    history = (await served.client.get(f"/ai/sessions/{session}/history")).json()
    assert [message["id"] for message in history["messages"]] == ["u1", f"m-{turn.id}"]


async def test_a_thread_goes_on_in_its_session(served: Served) -> None:
    _, session, first = await ran(served, wanted())
    answer = {"id": f"m-{first.id}", "role": "assistant", "content": "Hi there."}
    second = {
        "id": "u2",
        "role": "user",
        "content": [{"type": "text", "text": "and "}, {"type": "text", "text": "now?"}],
    }
    frames, same, _ = await ran(served, wanted("run-2", "thread-1", wanted()["messages"][0], answer, second))
    assert same == session
    assert frames[0].body["input"]["messages"] == [{"id": "u2", "role": "user", "content": "and now?"}]


async def test_a_session_of_the_owner_is_a_thread_too(served: Served) -> None:
    session = await served.session()
    frames, same, _ = await ran(served, wanted("run-1", session))
    assert (same, frames[0].body["threadId"]) == (session, session)


@pytest.mark.requirement("X5")
async def test_the_same_thread_of_somebody_else_is_another_one(served: Served) -> None:
    _, session, _ = await ran(served, wanted())
    theirs = await served.orchestrator.create_session("somebody")
    async with ask(served, wanted("run-2", theirs.id)) as response:
        assert session_of(response) not in (theirs.id, session)
    turn = (await served.orchestrator.send("somebody", theirs.id, "mine")).turn_id
    assert (await served.client.get("/agui", params={"runId": turn})).status_code == 404


# Again.


@pytest.mark.requirement("C6", "C5")
async def test_a_known_run_is_told_again_and_nothing_is_there_twice(served: Served) -> None:
    frames, _, turn = await ran(served, wanted())
    async with ask(served, wanted()) as response:
        again = await read(response)
    assert [frame for frame in again if frame.id] == frames
    assert again[1].body == {"type": "MESSAGES_SNAPSHOT", "messages": wanted()["messages"]}
    half = (f"m-{turn.id}", "assistant", "Hi ")
    assert messages(again, ("u1", "user", "hello"), half) == messages(frames)
    assert len(await served.store.log.read(turn.session_id)) == 5


@pytest.mark.requirement("C6", "C1", "P-3")
async def test_a_run_resumed_at_any_frame_gets_the_rest_and_nothing_else(served: Served) -> None:
    frames, _, _ = await ran(served, wanted())
    for index, frame in enumerate(frames, 1):
        async with ask(served, wanted(), **{"Last-Event-ID": str(frame.id)}) as response:
            assert await read(response) == frames[index:]
        async with tell(served, runId="run-1", offset=str(frame.id)) as response:
            assert await read(response) == frames[index:]


@pytest.mark.requirement("C6")
async def test_a_run_is_resumed_while_it_goes_on(served: Served) -> None:
    async with ask(served, wanted()) as response:
        session = session_of(response)
        turn = await served.claim(session)
        await served.say(turn, "Hi ")
        async with aclosing(Stream(response)) as stream:
            seen = await stream.take(3)
    async with ask(served, wanted(), **{"Last-Event-ID": str(seen[-1].id)}) as response:
        await served.say(turn, "there.")
        await served.end(turn)
        rest = await read(response)
    assert messages([*seen, *rest])[-1] == (f"m-{turn.id}", "assistant", "Hi there.")
    assert [frame.body["type"] for frame in rest] == ["TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED"]


@pytest.mark.requirement("C6")
async def test_the_same_run_at_the_same_time_is_one_turn(served: Served) -> None:
    async with ask(served, wanted()) as one, ask(served, wanted()) as two:
        turn = await served.claim(session_of(one))
        await served.say(turn, "Hi")
        await served.end(turn)
        first, second = [frame for frame in await read(one) if frame.id], [f for f in await read(two) if f.id]
    assert first == second
    assert await served.store.turns.claim(turn.session_id) is None


@pytest.mark.requirement("C6", "S15")
async def test_an_offset_of_another_log_gets_everything_and_is_told_so(served: Served) -> None:
    frames, _, _ = await ran(served, wanted())
    for offset in ("another:3.1", f"{served.orchestrator.log_id}:999.1"):
        async with tell(served, runId="run-1", offset=offset) as response:
            again = await read(response)
        assert [frame for frame in again if frame.id] == frames
        assert again[1].body["value"]["reason"] == "log_changed"
        assert again[2].body["type"] == "MESSAGES_SNAPSHOT"


@pytest.mark.parametrize("offset", ["-1", ""])
async def test_a_run_is_told_from_its_beginning_also_without_its_thread(served: Served, offset: str) -> None:
    frames, _, _ = await ran(served, wanted())
    async with tell(served, runId="run-1", offset=offset) as response:
        again = await read(response)
    assert [frame for frame in again if frame.id] == frames
    assert again[0].body["threadId"] == "thread-1"


async def test_a_turn_that_was_sent_otherwise_is_a_run_by_its_own_id(served: Served) -> None:
    session = await served.session()
    turn = await served.answer(session, "hello", "Hi")
    async with tell(served, runId=turn.id) as response:
        frames = await read(response)
    assert (frames[0].body["runId"], frames[0].body["threadId"]) == (turn.id, session)


@pytest.mark.requirement("C5", "C6")
async def test_a_known_message_under_a_new_run_is_not_run_again(served: Served) -> None:
    frames, _, _ = await ran(served, wanted())
    async with ask(served, wanted("run-2")) as response:
        again = await read(response)
    assert again[0].body["runId"] == again[-1].body["runId"] == "run-2"
    assert messages(again) == messages(frames)
    async with ask(served, wanted("run-3"), **{"Last-Event-ID": str(frames[-2].id)}) as response:
        [rest] = await read(response)
    assert rest.body["type"] == "RUN_FINISHED"


async def test_a_message_that_came_to_nothing_is_taken_up_by_the_next_run(served: Served) -> None:
    async with ask(served, wanted()) as response:
        session = session_of(response)
        turn = await served.claim(session)
        await served.write(
            turn, TurnEnded(turn=turn.id, outcome="failed", kind="model.all_failed", message="No model.")
        )
        failed = await read(response)
    assert (failed[-1].body["type"], failed[-1].body["runId"]) == ("RUN_ERROR", "run-1")
    frames, same, _ = await ran(served, wanted("run-2"))
    assert same == session
    assert frames[-1].body["type"] == "RUN_FINISHED"
    async with tell(served, runId="run-2") as response:
        assert (await read(response))[-1] == frames[-1]
    async with tell(served, runId="run-1") as response:
        assert (await read(response))[-1].body["type"] == "RUN_ERROR"


async def test_a_run_in_line_is_told_again_with_what_was_before_it(served: Served) -> None:
    _, session, _ = await ran(served, wanted())
    running = await served.begin(session, "from elsewhere", message_id="u2")
    await served.say(running, "Half ")
    body = wanted("run-3", "thread-1", {"id": "u3", "role": "user", "content": "third"})
    async with ask(served, body), ask(served, body) as response:
        await served.say(running, "of it")
        await served.end(running)
        turn = await served.claim(session)
        await served.write(turn, Reset(turn=turn.id, message="none", reason="begin again"))
        await served.say(turn, "Third.")
        await served.end(turn)
        frames = await read(response)
    snapshots = [frame.body["messages"] for frame in frames if frame.body["type"] == "MESSAGES_SNAPSHOT"]
    before = ["hello", "Hi there.", "from elsewhere", "Half of it", "third"]
    assert [[message["content"] for message in told] for told in snapshots] == [before, before]


@pytest.mark.requirement("P5", "P-2")
async def test_a_stop_breaks_a_run_that_is_not_over(served: Served) -> None:
    async with ask(served, wanted()) as response:
        turn = await served.claim(session_of(response))
        await served.write(turn, TextDelta(turn=turn.id, message="m", text="Half an", model="one"))
        stream = Stream(response)
        await stream.take(3)
        served.app.state.closing.set()
        farewell = await stream.next()
        with pytest.raises(httpx2.RemoteProtocolError):
            await stream.next()
    assert farewell is not None
    assert farewell.body["value"]["state"] == "restarting"


# Refused.


@pytest.mark.requirement("C6")
async def test_a_place_in_an_unknown_run_starts_nothing(served: Served) -> None:
    place = f"{served.orchestrator.log_id}:3.1"
    for body in (wanted(), wanted("run-2", await served.session())):
        answer = await served.client.post("/agui", json=body, headers={"Last-Event-ID": place})
        assert (answer.status_code, answer.json()["kind"]) == (404, "session.not_found")
    assert [session for session in await served.orchestrator.sessions(OWNER) if session.last_seq] == []


async def test_an_unknown_run_is_not_found(served: Served) -> None:
    answer = await served.client.get("/agui", params={"runId": "nothing"})
    assert (answer.status_code, answer.json()["remedy"]) == (404, "Start it with POST /agui.")
    assert (await served.client.get("/agui")).status_code == 422


async def test_a_run_of_another_thread_is_a_conflict(served: Served) -> None:
    await ran(served, wanted())
    answer = await served.client.post("/agui", json=wanted("run-1", "thread-2"))
    assert (answer.status_code, answer.json()["kind"]) == (409, "session.conflict")


async def test_another_content_under_the_same_message_is_a_conflict(served: Served) -> None:
    await ran(served, wanted())
    changed = {"id": "u1", "role": "user", "content": "goodbye"}
    answer = await served.client.post("/agui", json=wanted("run-2", "thread-1", changed))
    assert answer.status_code == 409


@pytest.mark.parametrize(
    "body, field",
    [
        ({}, "threadId"),
        (wanted("", "t"), "runId"),
        (wanted("r", "x" * 200), "threadId"),
        (wanted("r", "t", {"id": "a", "role": "assistant", "content": "hi"}), "messages"),
        (wanted("r", "t", {"role": "user", "content": "hi"}), "messages"),
        (wanted("r", "t", {"id": "u", "role": "user", "content": ""}), "content"),
        (wanted("r", "t", {"id": "u", "role": "user", "content": [{"type": "image", "source": {}}]}), "messages"),
        (wanted("r", "t", {"id": "u", "role": "user", "content": "x" * 50}), "content"),
    ],
)
async def test_what_cannot_be_run_is_refused_with_the_field(serve: Serve, body: Body, field: str) -> None:
    async with serve(ApiPolicy(message_chars=40)) as served:
        answer = await served.client.post("/agui", json=body)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
        assert await served.orchestrator.sessions(OWNER) == []


async def test_malformed_places_are_refused(served: Served) -> None:
    await ran(served, wanted())
    answer = await served.client.post("/agui", json=wanted(), headers={"Last-Event-ID": "nothing"})
    assert (answer.status_code, answer.json()["field"]) == (400, "Last-Event-ID")
    answer = await served.client.get("/agui", params={"runId": "run-1", "offset": "12"})
    assert (answer.status_code, answer.json()["field"]) == (400, "offset")
