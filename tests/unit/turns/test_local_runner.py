"""The runner: sessions side by side, turns of one session in line, and an orderly end."""

import asyncio
import threading
from pathlib import Path

import pytest

from tests.unit.turns.conftest import Begin
from tests.unit.turns.instance import OWNER, end_of, text_of
from yaoki.errors import SessionStoreUnavailableError
from yaoki.faults.script import ANSWER, Script
from yaoki.store.contract import Turn
from yaoki.store.events import TextDelta, TurnEnded, TurnResumed, TurnStarted
from yaoki.store.store import open_store
from yaoki.turns.conversation import dump, question_of
from yaoki.turns.local_runner import LocalRunner
from yaoki.turns.turn import AgentPolicy, TurnRun


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


@pytest.mark.requirement("P-1")
async def test_a_message_that_comes_while_the_runner_looks_for_the_last_time_is_run(begin: Begin) -> None:
    instance = await begin(Script())
    session = await instance.session()
    entered, released = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        entered.set()
        released.wait()

    writing = asyncio.create_task(instance.store.database.write(hold))
    await asyncio.to_thread(entered.wait)
    instance.runner.submit(session.id)
    sending = asyncio.create_task(instance.orchestrator.send(OWNER, session.id, "hello"))
    for _ in range(5):
        await asyncio.sleep(0)  # both are given to the writer now, and will be one commit
    released.set()
    await asyncio.gather(writing, sending)
    assert text_of(await instance.events(session)) == ANSWER


@pytest.mark.requirement("P-1", "P-6")
async def test_a_run_that_breaks_off_by_a_defect_is_taken_up_again(begin: Begin) -> None:
    instance = await begin(Script())
    session = await instance.session()
    agent = AgentPolicy(name="default", instructions="Be brief.", chain=instance.chain)
    defects = [RuntimeError("a defect of ours")]

    def begin_badly(turn: Turn) -> TurnRun:
        if defects:
            raise defects.pop()
        return TurnRun(turn, agent, instance.store)

    runner = LocalRunner(instance.store, begin_badly)
    await instance.store.turns.accept(OWNER, session.id, "m-1", "hello")
    await runner.start()
    assert text_of(await instance.events(session)) == ANSWER
    await runner.aclose()


@pytest.mark.requirement("S8", "P-1")
async def test_a_session_that_could_not_be_deleted_goes_on(begin: Begin, tmp_path: Path) -> None:
    instance = await begin(Script(token_s=0.02))
    session = await instance.session()
    await instance.orchestrator.send(OWNER, session.id, "hello")
    await instance.events(session, until=TextDelta)
    database, elsewhere = tmp_path / "yaoki.db", tmp_path / "elsewhere.db"
    database.rename(elsewhere)
    with pytest.raises(SessionStoreUnavailableError, match="moved"):
        await instance.orchestrator.delete_session(OWNER, session.id)
    elsewhere.rename(database)
    assert text_of(await instance.events(session)) == ANSWER


@pytest.mark.slow
@pytest.mark.requirement("P10")
async def test_turns_that_may_have_ended_the_process_run_one_at_a_time_while_others_go_on(
    tmp_path: Path, begin: Begin
) -> None:
    store = await open_store(tmp_path / "yaoki.db")
    sessions = [await store.sessions.create(OWNER, "chat", "default", {}) for _ in range(3)]
    for number, session in enumerate(sessions):
        await store.turns.accept(OWNER, session.id, "m1", "hello")
        for _ in range(2 if number < 2 else 1):  # the third broke off once only, which may happen to anyone
            turn = await store.turns.claim(session.id)
            assert turn is not None
            if turn.fence == 1:
                await store.turns.append(turn, [TurnStarted(turn=turn.id, agent="default")], [dump(question_of(turn))])
            else:
                await store.turns.append(turn, [TurnResumed(turn=turn.id, reason="killed")])
    await store.aclose()
    instance = await begin(Script(token_s=0.02))
    await instance.events(sessions[2], until=TextDelta)
    assert instance.runner.running == 1
    assert text_of(await instance.events(sessions[2])) == ANSWER
    first, second = sessions[:2]
    await instance.events(first, until=TextDelta)
    assert not any(isinstance(stored.event, TextDelta) for stored in await instance.store.log.read(second.id))
    await instance.events(first)
    for session in (first, second):
        assert text_of(await instance.events(session)) == ANSWER
