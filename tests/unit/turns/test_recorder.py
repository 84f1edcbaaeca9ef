"""The recorder: waits out a store that is away for a while, and leaves the turn open when it stays away."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from yaoki.errors import SessionStoreUnavailableError
from yaoki.llm.chain.budget import TurnBudget
from yaoki.store.events import TextDelta, TurnStarted
from yaoki.store.store import open_store
from yaoki.testing.clock import FakeClock
from yaoki.turns.recorder import STORE_PATIENCE_S, Recorder


@pytest.mark.requirement("S7", "P-1", "P-6")
async def test_a_store_that_stays_away_leaves_the_turn_open_for_the_next_claim(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "yaoki.db")
    session = await store.sessions.create("local", "chat", "default", {})
    await store.turns.accept("local", session.id, "m1", "hello")
    turn = await store.turns.claim(session.id)
    assert turn is not None
    clock = FakeClock()
    recorder = Recorder(store, turn, TurnBudget(clock=clock), clock)
    await recorder.write(TurnStarted(turn=turn.id, agent="default"))
    await store.aclose()
    writing = asyncio.create_task(recorder.write(TextDelta(turn=turn.id, message="m", text="hello", model="one")))
    await asyncio.wait({writing}, timeout=0.2)
    assert not writing.done(), "it is patient"
    clock.move(STORE_PATIENCE_S)
    with pytest.raises(SessionStoreUnavailableError):
        await writing
    store = await open_store(tmp_path / "yaoki.db")
    again = await store.turns.claim(session.id)
    assert again is not None
    assert (again.id, again.fence) == (turn.id, turn.fence + 1)
    assert [type(stored.event) for stored in await store.turns.events(again)][-1:] == [TurnStarted]
    await store.aclose()


@pytest.mark.requirement("S9", "P-5", "P-6")
async def test_a_turn_gets_back_the_time_that_it_waited_for_the_store(tmp_path: Path) -> None:
    path = tmp_path / "yaoki.db"
    store = await open_store(path)
    session = await store.sessions.create("local", "chat", "default", {})
    await store.turns.accept("local", session.id, "m1", "hello")
    turn = await store.turns.claim(session.id)
    assert turn is not None
    clock = FakeClock()
    budget = TurnBudget(20.0, clock=clock)
    recorder = Recorder(store, turn, budget, clock)
    clock.move(5.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(recorder.write(TurnStarted(turn=turn.id, agent="default")))
    async with asyncio.timeout(20):
        while store.database.trouble is None:
            await asyncio.wait({writing}, timeout=0.05)
    clock.move(30.0)
    other.execute("ROLLBACK")
    other.close()
    await writing
    assert budget.remaining_s == 15.0
    await store.aclose()
