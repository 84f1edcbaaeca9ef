"""Old sessions are erased, by a clock that may be wrong."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from yaoki.errors import SessionNotFoundError
from yaoki.store.events import TurnEnded
from yaoki.store.retention import LEAP_S
from yaoki.store.store import Store, open_store
from yaoki.testing.clock import FakeClock

DAY_S = 86_400.0
KEEP_DAYS = 30


@pytest.fixture
async def clock() -> FakeClock:
    return FakeClock(now=10_000 * DAY_S)


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Store]:
    store = await open_store(tmp_path / "yaoki.db", clock=clock)
    yield store
    await store.aclose()


async def ids(store: Store) -> list[str]:
    return [session.id for session in await store.sessions.newest("local", 10)]


async def live(store: Store, clock: FakeClock, days: int) -> int:
    """Days that pass one by one, with a purge on each; returns how many sessions were erased."""
    erased = 0
    for _ in range(days):
        clock.move(DAY_S)
        erased += await store.retention.purge(KEEP_DAYS)
    return erased


async def test_a_session_is_kept_for_its_days_and_no_longer(store: Store, clock: FakeClock) -> None:
    old = await store.sessions.create("local", "chat", "default", {})
    assert await live(store, clock, KEEP_DAYS) == 0
    new = await store.sessions.create("local", "chat", "default", {})
    with store.log.follow(old.id, 0) as tail:
        assert await live(store, clock, 1) == 1
        with pytest.raises(SessionNotFoundError):
            await tail.read(5)
    assert await ids(store) == [new.id]


async def test_a_session_with_an_open_turn_is_kept(store: Store, clock: FakeClock) -> None:
    session = await store.sessions.create("local", "chat", "default", {})
    await store.turns.accept("local", session.id, "m1", "hello")
    assert await live(store, clock, KEEP_DAYS + 5) == 0
    turn = await store.turns.claim(session.id)
    assert turn is not None
    await store.turns.append(turn, [TurnEnded(turn=turn.id, outcome="completed")])
    assert await live(store, clock, KEEP_DAYS + 1) == 1


@pytest.mark.requirement("S11")
async def test_a_clock_that_leaps_and_comes_back_erases_nothing(store: Store, clock: FakeClock) -> None:
    session = await store.sessions.create("local", "chat", "default", {})
    await live(store, clock, 1)
    clock.move(365 * DAY_S)
    assert await live(store, clock, 2) == 0
    clock.move(-365 * DAY_S)
    assert await live(store, clock, 5) == 0
    assert await ids(store) == [session.id]


@pytest.mark.requirement("S11")
async def test_a_leap_that_stands_is_believed(store: Store, clock: FakeClock) -> None:
    await store.sessions.create("local", "chat", "default", {})
    await live(store, clock, 1)
    clock.move(365 * DAY_S)
    days = round(LEAP_S / DAY_S)
    assert await live(store, clock, days) == 0
    assert await live(store, clock, 1) == 1


async def test_who_looks_in_once_a_week_has_old_sessions_erased_too(store: Store, clock: FakeClock) -> None:
    await store.sessions.create("local", "chat", "default", {})
    erased = 0
    for _ in range(7):
        clock.move(7 * DAY_S)
        erased += await store.retention.purge(KEEP_DAYS)
    assert erased == 1
