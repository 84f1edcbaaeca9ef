"""The log: numbered without gaps, and followed without losing anything."""

import asyncio

import pytest

from yaoki.errors import SessionNotFoundError
from yaoki.store.contract import Session, Turn
from yaoki.store.events import Stored, TextDelta, decode, encode
from yaoki.store.log import Log, Tail
from yaoki.store.store import Store


@pytest.fixture
async def turn(store: Store, session: Session) -> Turn:
    await store.turns.accept("local", session.id, "m1", "hello")
    turn = await store.turns.claim(session.id)
    assert turn is not None
    return turn


def delta(turn: Turn, n: int) -> TextDelta:
    return TextDelta(turn=turn.id, message="m", text=str(n), model="one")


async def read_until(tail: Tail, seq: int) -> list[Stored]:
    read: list[Stored] = []
    while not read or read[-1].seq < seq:
        page = await tail.read(5)
        assert page, f"nothing came after {read[-1:]}"
        read += page
    return read


async def test_numbers_have_no_gaps_whoever_writes(store: Store, session: Session, turn: Turn) -> None:
    await asyncio.gather(*(store.turns.append(turn, [delta(turn, n), delta(turn, n)]) for n in range(50)))
    assert [stored.seq for stored in await store.log.read(session.id)] == list(range(1, 102))


async def test_a_follower_sees_every_event_once_in_order(store: Store, session: Session, turn: Turn) -> None:
    with store.log.follow(session.id, 0) as early:
        reading = asyncio.create_task(read_until(early, 701))
        for n in range(100):
            await asyncio.gather(*(store.turns.append(turn, [delta(turn, n)]) for _ in range(7)))
            if n == 50:
                with store.log.follow(session.id, 3) as late:
                    assert [stored.seq for stored in await read_until(late, 358)][:2] == [4, 5]
        assert [stored.seq for stored in await reading] == list(range(1, 702))


async def test_a_reader_far_behind_is_served_from_the_database(store: Store, session: Session, turn: Turn) -> None:
    with store.log.follow(session.id, 0) as slow:
        await asyncio.gather(*(store.turns.append(turn, [delta(turn, n)]) for n in range(1500)))
        assert [stored.seq for stored in await read_until(slow, 1501)] == list(range(1, 1502))


async def test_silence_is_an_empty_page_and_a_cancelled_read_loses_nothing(
    store: Store, session: Session, turn: Turn
) -> None:
    with store.log.follow(session.id, 1) as tail:
        assert await tail.read(0.01) == []
        reading = asyncio.create_task(tail.read(5))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait({reading})
        await store.turns.append(turn, [delta(turn, 1)])
        assert [stored.seq for stored in await tail.read(5)] == [2]


async def test_an_event_is_seen_only_once_it_is_committed(store: Store, session: Session, turn: Turn) -> None:
    with store.log.follow(session.id, 1) as tail:
        appending = asyncio.create_task(store.turns.append(turn, [delta(turn, 1)]))
        seen = await tail.read(5)
        assert await store.log.read(session.id, 1) == seen
        await appending


async def test_a_writer_that_is_cancelled_still_tells_the_followers(store: Store, session: Session, turn: Turn) -> None:
    with store.log.follow(session.id, 1) as tail:
        appending = asyncio.create_task(store.turns.append(turn, [delta(turn, 1)]))
        await asyncio.sleep(0)
        appending.cancel()
        assert [stored.seq for stored in await tail.read(5)] == [2]


async def test_followers_of_an_erased_session_are_told(store: Store, session: Session, turn: Turn) -> None:
    with store.log.follow(session.id, 1) as tail:
        reading = asyncio.create_task(tail.read(5))
        await store.sessions.erase("local", session.id)
        store.log.erase(session.id)
        with pytest.raises(SessionNotFoundError):
            await reading


def test_an_event_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    event = TextDelta(turn="t", message="m", text="x", model="one")
    name, fields = encode(event)
    assert decode(name, {**fields, "colour": "red"}) == event


async def test_events_that_were_never_delivered_are_read_by_those_who_follow(store: Store, session: Session) -> None:
    for n in range(3):
        await store.turns.accept("local", session.id, f"m{n}", "hello")
    [first, _, third] = await store.log.read(session.id)
    log = Log(store.database)
    with log.follow(session.id, 0) as tail:
        log.deliver(session.id, [first])
        log.deliver(session.id, [third])
        assert [stored.seq for stored in await read_until(tail, 3)] == [1, 2, 3]
