"""The runner: sessions side by side, turns of one session in line, and an orderly end."""

import pytest

from tests.unit.turns.conftest import Begin
from tests.unit.turns.instance import OWNER, end_of, text_of
from yaoki.faults.script import ANSWER, Script
from yaoki.store.events import TextDelta, TurnEnded, TurnStarted


async def test_sessions_do_not_wait_for_each_other(begin: Begin) -> None:
    instance = await begin(Script(token_s=0.02))
    sessions = [await instance.session() for _ in range(3)]
    for session in sessions:
        await instance.orchestrator.send(OWNER, session.id, "hello")
    for session in sessions:
        await instance.events(session, until=TextDelta)
    assert instance.runner.running == 3
    for session in sessions:
        assert text_of(await instance.events(session)) == ANSWER


@pytest.mark.requirement("P5")
async def test_a_drain_lets_running_turns_end_and_begins_no_other(begin: Begin) -> None:
    instance = await begin(Script(token_s=0.005))
    session = await instance.session()
    await instance.orchestrator.send(OWNER, session.id, "first")
    await instance.orchestrator.send(OWNER, session.id, "second")
    await instance.events(session, until=TextDelta)
    assert await instance.runner.drain(10) == 0
    events = [stored.event for stored in await instance.store.log.read(session.id)]
    assert end_of(events[: events.index(next(e for e in events if isinstance(e, TurnEnded))) + 1])
    assert sum(isinstance(event, TurnStarted) for event in events) == 1
    assert await instance.store.turns.open_sessions() == [session.id]


async def test_a_drain_that_takes_too_long_leaves_turns_open(begin: Begin) -> None:
    instance = await begin(Script(token_s=0.2))
    session = await instance.session()
    await instance.orchestrator.send(OWNER, session.id, "hello")
    await instance.events(session, until=TextDelta)
    assert await instance.runner.drain(0.01) == 1
    await instance.runner.aclose()
    assert await instance.store.turns.open_sessions() == [session.id]


async def test_deleting_a_session_stops_what_runs_in_it(begin: Begin) -> None:
    instance = await begin(Script(token_s=0.05))
    session = await instance.session()
    await instance.orchestrator.send(OWNER, session.id, "hello")
    await instance.events(session, until=TextDelta)
    await instance.orchestrator.delete_session(OWNER, session.id)
    assert instance.runner.running == 0
    assert await instance.orchestrator.sessions(OWNER) == []
