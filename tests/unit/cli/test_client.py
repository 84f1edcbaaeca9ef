import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from tests.unit.cli.scripted_server import ScriptedServer, breaks, says, scripted_server, streams
from yaoki.cli.client import Client, Frame, LinkBack, LinkLost
from yaoki.errors import (
    CommunicationConnectionLostError,
    CommunicationProtocolError,
    SecurityInputRejectedError,
    SessionNotFoundError,
)

EVENTS = "GET /ai/sessions/s/events"
MESSAGES = "POST /ai/sessions/s/messages"
HEARTBEAT_S = 0.4
ACCEPTED = {"turn_id": "t", "event_id": "L:1.0"}


class NoPause(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return 0.0


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as scripted:
        yield scripted


@pytest.fixture
async def client(server: ScriptedServer) -> AsyncIterator[Client]:
    async with Client(server.address, heartbeat_s=HEARTBEAT_S, rng=NoPause()) as opened:
        yield opened


def text(delta: str) -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_CONTENT", "delta": delta}


async def follow(client: Client, until: str, after: str = "L:1.0") -> list[str]:
    """What comes, as words: the delta or type of a frame, `lost` and `back`."""
    told: list[str] = []
    async with aclosing(client.events("s", after)) as events:
        async for item in events:
            match item:
                case Frame():
                    told.append(str(item.event.get("delta", item.type)))
                case LinkLost():
                    told.append("lost")
                case LinkBack():
                    told.append("back")
            if told[-1] == until:
                break
    return told


@pytest.mark.requirement("C10")
async def test_a_cut_stream_is_told_and_resumed_from_the_last_id(server: ScriptedServer, client: Client) -> None:
    server.on(
        EVENTS,
        streams(("L:2.1", text("a")), ("L:3.1", text("b"))),
        streams(("", {"type": "RUN_STARTED"}), ("L:4.1", text("c"))),
    )
    assert await follow(client, "c") == ["a", "b", "lost", "back", "RUN_STARTED", "c"]
    assert [request.headers["last-event-id"] for request in server.seen(EVENTS)] == ["L:1.0", "L:3.1"]


@pytest.mark.requirement("C10")
async def test_missed_heartbeats_are_an_interruption(server: ScriptedServer, client: Client) -> None:
    server.on(EVENTS, streams(("L:2.1", text("a")), hang=True), streams(("L:3.1", text("b"))))
    assert await follow(client, "b") == ["a", "lost", "back", "b"]


async def test_an_outage_is_told_once_however_long_it_takes(server: ScriptedServer, client: Client) -> None:
    server.on(EVENTS, streams(("L:2.1", text("a"))), breaks, breaks, breaks, streams(("L:3.1", text("b"))))
    assert await follow(client, "b") == ["a", "lost", "back", "b"]


async def test_a_server_that_takes_nobody_now_is_asked_again(server: ScriptedServer, client: Client) -> None:
    draining = {"kind": "resource.overloaded", "detail": "The server is stopping.", "retry_after_s": 0.01}
    server.on(EVENTS, says(503, draining), streams(("L:3.1", text("b"))))
    assert await follow(client, "b") == ["lost", "back", "b"]


async def test_a_deleted_session_ends_the_following(server: ScriptedServer, client: Client) -> None:
    server.on(
        EVENTS, streams(("L:2.1", text("a"))), says(404, {"kind": "session.not_found", "detail": "It was deleted."})
    )
    with pytest.raises(SessionNotFoundError, match=r"It was deleted\."):
        await follow(client, "never")


async def test_a_message_is_sent_again_under_the_same_id(server: ScriptedServer, client: Client) -> None:
    server.on(MESSAGES, breaks, says(503, {"kind": "session.store_unavailable", "detail": "x"}), says(202, ACCEPTED))
    sent = await client.send("s", "hello")
    assert (sent.turn_id, sent.event_id) == ("t", "L:1.0")
    ids = [request.body["id"] for request in server.seen(MESSAGES)]
    assert ids == [sent.message_id] * 3


async def test_a_refused_message_is_not_sent_again(server: ScriptedServer, client: Client) -> None:
    server.on(MESSAGES, says(413, {"kind": "security.input_rejected", "detail": "Too long."}))
    with pytest.raises(SecurityInputRejectedError, match=r"Too long\."):
        await client.send("s", "hello")
    assert len(server.seen(MESSAGES)) == 1


async def test_a_server_that_stays_away_is_given_up_for_a_message(server: ScriptedServer, client: Client) -> None:
    server.on(MESSAGES, breaks)
    with pytest.raises(CommunicationConnectionLostError):
        await client.send("s", "hello")


async def test_something_else_on_the_port_is_no_yaoki(server: ScriptedServer, client: Client) -> None:
    server.on("GET /readyz", says(200, {"hello": "world"}))
    server.on("POST /ai/sessions", says(404, {"detail": "Not Found"}))
    assert await client.readiness() is None
    with pytest.raises(CommunicationProtocolError, match="is it a Yaoki server"):
        await client.create_session()


async def test_nobody_at_the_address_is_no_yaoki() -> None:
    async with scripted_server() as gone:
        address = gone.address
    async with Client(address) as client:
        assert await client.readiness() is None
