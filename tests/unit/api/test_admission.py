"""Too many at once: told when to come back, and the server stays usable."""

import asyncio
import logging
from contextlib import AsyncExitStack

import pytest

from tests.unit.api.conftest import Serve
from tests.unit.api.links import linked
from tests.unit.api.served import Served
from yaoki.api import ApiPolicy

pytestmark = pytest.mark.requirement("C4")


async def refused(served: Served, session: str) -> dict[str, object]:
    answer = await served.client.get(f"/ai/sessions/{session}/events")
    problem = answer.json()
    assert (answer.status_code, problem["kind"]) == (503, "resource.overloaded")
    assert int(answer.headers["retry-after"]) >= problem["retry_after_s"]
    return problem


@pytest.mark.parametrize(
    "policy, setting",
    [
        (ApiPolicy(max_streams=4), "limits.max_streams"),
        (ApiPolicy(max_streams_per_owner=4), "limits.max_streams_per_owner"),
    ],
)
async def test_streams_and_links_share_their_places(serve: Serve, policy: ApiPolicy, setting: str) -> None:
    async with serve(policy) as served, AsyncExitStack() as open_ones:
        session = await served.session()
        for _ in range(2):
            await open_ones.enter_async_context(served.follow(session))
            await open_ones.enter_async_context(linked(served.port, session))
        await served.until(lambda: served.app.state.streams.total() == 4)
        assert (await refused(served, session))["setting"] == setting
        async with linked(served.port, session) as peer:
            error, guidance = await peer.rest()
            assert peer.code == 1013
        assert error["problem"]["setting"] == setting
        value = guidance["event"]["value"]
        assert (value["action"], value["channel"]) == ("reconnect", "websocket")
        assert value["retry_after_s"] == error["problem"]["retry_after_s"]
        accepted = await served.client.post(f"/ai/sessions/{session}/messages", json={"content": "hi"})
        assert accepted.status_code == 202  # only streams are full
        await open_ones.aclose()
        await served.until(lambda: not served.app.state.streams.total())
        async with served.follow(session) as stream, linked(served.port, session) as peer:
            assert stream.response.status_code == 200
            await peer.say({"type": "ping"})
            assert await peer.next() == {"type": "pong"}


async def test_one_owner_leaves_room_for_others(serve: Serve) -> None:
    async with serve(ApiPolicy(max_streams=3, max_streams_per_owner=1)) as served:
        mine, theirs = await served.session(), await served.orchestrator.create_session("somebody")
        async with linked(served.port, mine):
            await served.until(lambda: served.app.state.streams.total() == 1)
            await refused(served, mine)
            ticket = served.app.state.services.tickets.issue("somebody")
            async with linked(served.port, theirs.id, f"?ticket={ticket}") as peer:
                await peer.say({"type": "ping"})
                assert await peer.next() == {"type": "pong"}


async def test_a_message_is_not_accepted_for_a_stream_that_has_no_place(serve: Serve) -> None:
    async with serve(ApiPolicy(max_streams=1)) as served:
        session = await served.session()
        async with served.follow(session):
            answer = await served.client.post(
                f"/ai/sessions/{session}/messages", json={"content": "hi"}, headers={"accept": "text/event-stream"}
            )
        assert answer.status_code == 503
        assert (await served.client.get(f"/ai/sessions/{session}/history")).json()["waiting"] == []


async def test_requests_under_way_are_bounded_and_operations_are_not(serve: Serve) -> None:
    async with serve(ApiPolicy(max_requests=1)) as served:
        session = await served.session()
        async with served.follow(session):  # has begun, so it is under way no longer
            answers = await asyncio.gather(*(served.client.get(f"/ai/sessions/{session}") for _ in range(30)))
        statuses = [answer.status_code for answer in answers]
        assert 200 in statuses
        assert 503 in statuses
        assert {answer.json()["setting"] for answer in answers if answer.status_code == 503} == {"limits.max_requests"}
        served.app.state.services.admission.begin()  # one that does not end
        for path, status in (("/livez", 200), ("/readyz", 200), ("/metrics", 200), (f"/ai/sessions/{session}", 503)):
            assert (await served.client.get(path)).status_code == status, path
        async with linked(served.port, session) as peer:
            [error, _] = await peer.rest()
        assert error["problem"]["setting"] == "limits.max_requests"


async def test_those_sent_away_come_back_at_different_times(serve: Serve) -> None:
    async with serve(ApiPolicy(max_requests=1, retry_after_s=2.0)) as served:
        served.app.state.services.admission.begin()
        waits = [(await served.client.get("/ai/sessions")).json()["retry_after_s"] for _ in range(40)]
    assert 2.0 <= min(waits) < 4.0
    assert 8.0 < max(waits) <= 10.0
    assert len(set(waits)) > 20


async def test_many_refusals_are_one_line_in_the_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with serve(ApiPolicy(max_requests=1)) as served:
            served.app.state.services.admission.begin()
            for _ in range(20):
                await served.client.get("/ai/sessions")
    told = [record for record in caplog.records if record.name.startswith("yaoki")]
    assert len(told) == 1
    assert "limits.max_requests" in told[0].getMessage()
