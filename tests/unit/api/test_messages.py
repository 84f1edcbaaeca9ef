import asyncio

import pytest

from tests.unit.api.served import OWNER, Served
from yaoki.store.events import FailedOver, TurnEnded


async def test_an_accepted_message_names_the_place_its_turn_is_followed_from(served: Served) -> None:
    session = await served.session()
    response = await served.client.post(f"/ai/sessions/{session}/messages", json={"id": "u1", "content": "hello"})
    accepted = response.json()
    assert response.status_code == 202
    assert set(accepted) == {"turn_id", "event_id"}
    turn = await served.claim(session)
    assert turn.id == accepted["turn_id"]
    async with served.follow(session, **{"Last-Event-ID": accepted["event_id"]}) as stream:
        [begun] = await stream.take(1)
    assert begun.body["runId"] == turn.id


@pytest.mark.requirement("C5")
async def test_the_same_message_twice_is_one_turn(served: Served) -> None:
    path = f"/ai/sessions/{await served.session()}/messages"
    first = await served.client.post(path, json={"id": "u1", "content": "hello"})
    again = await served.client.post(path, json={"id": "u1", "content": "hello"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json()
    other = await served.client.post(path, json={"id": "u1", "content": "goodbye"})
    assert (other.status_code, other.json()["kind"]) == (409, "session.conflict")


@pytest.mark.requirement("C5")
async def test_the_same_message_at_the_same_time_is_one_turn(served: Served) -> None:
    path = f"/ai/sessions/{await served.session()}/messages"
    sends = [served.client.post(path, json={"id": "u1", "content": "hello"}) for _ in range(8)]
    answers = await asyncio.gather(*sends)
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({answer.json()["turn_id"] for answer in answers}) == 1


async def test_a_message_without_an_id_is_always_a_new_one(served: Served) -> None:
    path = f"/ai/sessions/{await served.session()}/messages"
    answers = [await served.client.post(path, json={"content": "hello"}) for _ in range(2)]
    assert len({answer.json()["turn_id"] for answer in answers}) == 2


async def test_history_tells_messages_marks_and_the_place_to_follow_from(served: Served) -> None:
    session = await served.session()
    turn = await served.begin(session, "hello", message_id="u1")
    await served.say(turn, "Hi ")
    mark = FailedOver(
        turn=turn.id, from_model="one", to_model="two", kind="model.truncated", phase="mid_stream", at_char=3
    )
    await served.write(turn, mark)
    await served.orchestrator.send(OWNER, session, "next", message_id="u2")
    history = (await served.client.get(f"/ai/sessions/{session}/history")).json()
    question, answer = history["messages"]
    assert (history["session_id"], history["open_turn"], history["open_message"]) == (
        session,
        turn.id,
        f"m-{turn.id}",
    )
    assert (question["id"], question["role"], question["content"], question["turn_id"]) == (
        "u1",
        "user",
        "hello",
        turn.id,
    )
    assert (answer["role"], answer["content"], answer["models"], answer["outcome"]) == (
        "assistant",
        "Hi ",
        ["one"],
        None,
    )
    assert [(mark["type"], mark["at_char"], mark["kind"]) for mark in answer["marks"]] == [
        ("failover", 3, "model.truncated")
    ]
    assert [message["id"] for message in history["waiting"]] == ["u2"]
    async with served.follow(session, **{"Last-Event-ID": history["event_id"]}) as stream:
        await stream.take(3)  # the prelude
        await served.say(turn, "there")
        [more] = await stream.take(1)
    assert more.body["delta"] == "there"


async def test_cancel_names_what_it_stops_and_needs_no_body(served: Served) -> None:
    session = await served.session()
    path = f"/ai/sessions/{session}/cancel"
    assert (await served.client.post(path)).json() == {"cancelled": []}
    turn = await served.begin(session)
    answer = await served.client.post(path)
    assert (answer.status_code, answer.json()) == (202, {"cancelled": [turn.id]})
    answer = await served.client.post(path, json={"turn_id": turn.id})
    assert answer.json() == {"cancelled": [turn.id]}
    unknown = await served.client.post(path, json={"turn_id": "t_unknown"})
    assert unknown.status_code == 404


async def test_a_parked_turn_is_taken_up_again_as_a_new_one(served: Served) -> None:
    session = await served.session()
    path = f"/ai/sessions/{session}/recover"
    assert (await served.client.post(path)).status_code == 409
    turn = await served.begin(session)
    await served.write(turn, TurnEnded(turn=turn.id, outcome="parked", kind="agent.parked"))
    answer = await served.client.post(path)
    assert answer.status_code == 202
    assert answer.json()["turn_id"] != turn.id


async def test_while_the_server_drains_new_messages_are_told_when_to_come_back(served: Served) -> None:
    session = await served.session()
    served.orchestrator.draining = True
    answer = await served.client.post(f"/ai/sessions/{session}/messages", json={"content": "hello"})
    assert (answer.status_code, answer.json()["kind"]) == (503, "resource.overloaded")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await served.client.get(f"/ai/sessions/{session}/history")).status_code == 200
