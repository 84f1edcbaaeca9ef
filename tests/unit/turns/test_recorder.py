"""The recorder: waits out a store that is away for a while, and leaves the turn open when it stays away."""

import asyncio
from pathlib import Path

import pytest

from yaoki.errors import SessionStoreUnavailableError
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
    recorder = Recorder(store, turn, clock)
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
