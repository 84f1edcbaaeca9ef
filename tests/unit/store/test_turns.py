"""Turns: accepted once, claimed under a fence, ended once."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from yaoki.errors import (
    ResourceOverloadedError,
    SessionClosedError,
    SessionConflictError,
    SessionCorruptedError,
    SessionNotFoundError,
)
from yaoki.store.contract import Session, Turn
from yaoki.store.events import TextDelta, TurnAccepted, TurnEnded
from yaoki.store.store import Store
from yaoki.store.turn_table import MAX_WAITING, FencedError


def delta(turn: Turn, text: str) -> TextDelta:
    return TextDelta(turn=turn.id, message="m", text=text, model="one")


async def claimed(store: Store, session: Session) -> Turn:
    turn = await store.turns.claim(session.id)
    assert turn is not None
    return turn


@pytest.mark.requirement("C5")
async def test_the_same_message_twice_is_one_turn(store: Store, session: Session) -> None:
    first = await store.turns.accept("local", session.id, "m1", "hello")
    again = await store.turns.accept("local", session.id, "m1", "hello")
    assert (again.turn_id, again.seq, again.duplicate) == (first.turn_id, first.seq, True)
    assert [stored.event for stored in await store.log.read(session.id)] == [
        TurnAccepted(turn=first.turn_id, message="m1", content="hello")
    ]


async def test_the_same_message_sent_many_times_at_once_is_one_turn(store: Store, session: Session) -> None:
    accepted = await asyncio.gather(*(store.turns.accept("local", session.id, "m1", "hello") for _ in range(20)))
    assert len({one.turn_id for one in accepted}) == 1
    assert sum(not one.duplicate for one in accepted) == 1


async def test_the_same_id_with_other_content_is_a_conflict(store: Store, session: Session) -> None:
    await store.turns.accept("local", session.id, "m1", "hello")
    with pytest.raises(SessionConflictError):
        await store.turns.accept("local", session.id, "m1", "goodbye")


async def test_a_refused_message_does_not_take_others_of_its_batch_with_it(store: Store, session: Session) -> None:
    await store.turns.accept("local", session.id, "m1", "hello")
    results = await asyncio.gather(
        store.turns.accept("local", session.id, "m2", "two"),
        store.turns.accept("local", session.id, "m1", "another"),
        store.turns.accept("local", session.id, "m3", "three"),
        return_exceptions=True,
    )
    assert isinstance(results[1], SessionConflictError)
    assert [stored.event.message for stored in await store.log.read(session.id)] == ["m1", "m2", "m3"]  # type: ignore[union-attr]


async def test_somebody_elses_session_does_not_exist(store: Store, session: Session) -> None:
    with pytest.raises(SessionNotFoundError):
        await store.turns.accept("other", session.id, "m1", "hello")
    with pytest.raises(SessionNotFoundError):
        await store.turns.request_cancel("other", session.id, None)
    with pytest.raises(SessionNotFoundError):
        await store.sessions.get("other", session.id)
    with pytest.raises(SessionNotFoundError):
        await store.sessions.erase("other", session.id)


async def test_a_closed_session_takes_no_new_message_but_still_knows_the_old(store: Store, session: Session) -> None:
    first = await store.turns.accept("local", session.id, "m1", "hello")
    await store.sessions.change("local", session.id, status="closed")
    with pytest.raises(SessionClosedError):
        await store.turns.accept("local", session.id, "m2", "more")
    assert (await store.turns.accept("local", session.id, "m1", "hello")).turn_id == first.turn_id


async def test_the_line_of_a_session_has_an_end(store: Store, session: Session) -> None:
    for n in range(MAX_WAITING):
        await store.turns.accept("local", session.id, f"m{n}", "hello")
    with pytest.raises(ResourceOverloadedError):
        await store.turns.accept("local", session.id, "one more", "hello")


async def test_turns_are_claimed_in_the_order_of_their_messages(store: Store, session: Session) -> None:
    ids = [(await store.turns.accept("local", session.id, f"m{n}", "hello")).turn_id for n in range(3)]
    for expected in ids:
        turn = await claimed(store, session)
        assert (turn.id, turn.fence) == (expected, 1)
        await store.turns.append(turn, [TurnEnded(turn=turn.id, outcome="completed")])
    assert await store.turns.claim(session.id) is None


async def test_an_open_turn_is_claimed_again_and_its_old_runner_appends_nothing(store: Store, session: Session) -> None:
    await store.turns.accept("local", session.id, "m1", "hello")
    old = await claimed(store, session)
    new = await claimed(store, session)
    assert (new.id, new.fence) == (old.id, old.fence + 1)
    with pytest.raises(FencedError):
        await store.turns.append(old, [delta(old, "late")], ["{}"])
    await store.turns.append(new, [delta(new, "right")])
    assert [stored.event.text for stored in await store.turns.events(new) if isinstance(stored.event, TextDelta)] == [
        "right"
    ]
    assert await store.turns.messages(new) == []


async def test_a_turn_ends_once(store: Store, session: Session) -> None:
    await store.turns.accept("local", session.id, "m1", "hello")
    turn = await claimed(store, session)
    await store.turns.append(turn, [TurnEnded(turn=turn.id, outcome="completed")])
    with pytest.raises(FencedError):
        await store.turns.append(turn, [TurnEnded(turn=turn.id, outcome="failed")])


async def test_a_wish_to_stop_is_kept_with_the_turn(store: Store, session: Session) -> None:
    accepted = [await store.turns.accept("local", session.id, f"m{n}", "hello") for n in range(2)]
    await claimed(store, session)
    assert await store.turns.request_cancel("local", session.id, None) == [accepted[0].turn_id]
    assert (await claimed(store, session)).cancel_requested
    assert await store.turns.request_cancel("local", session.id, accepted[1].turn_id) == [accepted[1].turn_id]
    with pytest.raises(SessionNotFoundError):
        await store.turns.request_cancel("local", session.id, "t_unknown")


async def test_earlier_messages_are_whole_turns_and_the_oldest_are_left_out(store: Store, session: Session) -> None:
    for n in range(4):
        await store.turns.accept("local", session.id, f"m{n}", "hello")
        turn = await claimed(store, session)
        answer = ["x" * 40] if n != 2 else []  # the third question was never answered
        await store.turns.append(turn, [TurnEnded(turn=turn.id, outcome="completed")], ["q" * 10 + str(n), *answer])
    await store.turns.accept("local", session.id, "now", "hello")
    turn = await claimed(store, session)
    kept, left_out = await store.turns.earlier_messages(turn, 1000)
    assert [messages[0][-1] for messages in kept] == ["0", "1", "3"]
    assert left_out == 0
    kept, left_out = await store.turns.earlier_messages(turn, 110)
    assert [messages[0][-1] for messages in kept] == ["1", "3"]
    assert left_out == 1


async def test_a_changed_record_is_found_and_named(store: Store, session: Session, tmp_path: Path) -> None:
    await store.turns.accept("local", session.id, "m1", "hello")
    with sqlite3.connect(tmp_path / "yaoki.db") as connection:
        connection.execute("UPDATE events SET payload = replace(payload, 'hello', 'HELLO')")
        connection.execute("UPDATE turns SET content = 'HELLO'")
    connection.close()
    with pytest.raises(SessionCorruptedError, match=f"Record 1 of session {session.id}"):
        await store.log.read(session.id)
    with pytest.raises(SessionCorruptedError):
        await store.turns.claim(session.id)
