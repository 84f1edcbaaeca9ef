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
from yaoki.store.events import TextDelta, TurnAccepted, TurnEnded, TurnResumed, TurnStarted
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
    earlier = await store.turns.earlier_messages(turn, 1000)
    assert [messages[0][-1] for messages in earlier.turns] == ["0", "1", "3"]
    assert earlier.forgotten == 0
    earlier = await store.turns.earlier_messages(turn, 110)
    assert [messages[0][-1] for messages in earlier.turns] == ["1", "3"]
    assert earlier.forgotten == 1


def change(path: Path, *statements: str) -> None:
    """Edit the database behind the store's back."""
    connection = sqlite3.connect(path / "yaoki.db")
    with connection:
        for statement in statements:
            assert connection.execute(statement).rowcount
    connection.close()


@pytest.mark.requirement("S10")
@pytest.mark.parametrize(
    "damaged", ["replace(payload, 'hello', 'HELLO')", "'{'", "CAST(x'7bff7d' AS TEXT)", "x'7bff7d'"]
)
async def test_a_changed_event_is_found_and_named(store: Store, session: Session, tmp_path: Path, damaged: str) -> None:
    await store.turns.accept("local", session.id, "m1", "hello")
    change(tmp_path, f"UPDATE events SET payload = {damaged}")
    with pytest.raises(SessionCorruptedError, match=f"Record 1 of session {session.id}"):
        await store.log.read(session.id)


@pytest.mark.requirement("S10", "P-1")
@pytest.mark.parametrize("started", [False, True])
async def test_a_changed_turn_is_ended_and_the_next_one_is_claimed(
    store: Store, session: Session, tmp_path: Path, started: bool
) -> None:
    damaged = await store.turns.accept("local", session.id, "m1", "hello")
    sound = await store.turns.accept("local", session.id, "m2", "hello")
    if started:
        turn = await claimed(store, session)
        await store.turns.append(turn, [TurnStarted(turn=turn.id, agent="default")])
    change(tmp_path, "UPDATE turns SET content = 'HELLO' WHERE message_id = 'm1'")
    with store.log.follow(session.id, 2) as tail:
        assert (await claimed(store, session)).id == sound.turn_id
        start, end = [stored.event for stored in await tail.read(5)]
    assert isinstance(start, TurnStarted)
    assert isinstance(end, TurnEnded)
    assert (end.turn, end.outcome, end.kind) == (damaged.turn_id, "failed", "session.corrupted")


@pytest.mark.requirement("S10")
async def test_an_earlier_turn_with_changed_messages_is_left_out(
    store: Store, session: Session, tmp_path: Path
) -> None:
    for n in range(3):
        await store.turns.accept("local", session.id, f"m{n}", "hello")
        turn = await claimed(store, session)
        await store.turns.append(turn, [TurnEnded(turn=turn.id, outcome="completed")], [f"question {n}", "answer"])
    await store.turns.accept("local", session.id, "now", "hello")
    change(tmp_path, "UPDATE model_messages SET payload = CAST(x'ff' AS TEXT) WHERE payload = 'question 1'")
    earlier = await store.turns.earlier_messages(await claimed(store, session), 1000)
    assert [messages[0] for messages in earlier.turns] == ["question 0", "question 2"]
    assert (earlier.forgotten, earlier.damaged) == (0, 1)


@pytest.mark.requirement("S10")
async def test_a_damaged_session_says_so_and_hides_no_other(store: Store, session: Session, tmp_path: Path) -> None:
    other = await store.sessions.create("local", "chat", "default", {})
    change(tmp_path, f"UPDATE sessions SET metadata = '{{', created_at = 'once' WHERE id = '{session.id}'")
    with pytest.raises(SessionCorruptedError):
        await store.sessions.get("local", session.id)
    listed = {found.id: found for found in await store.sessions.newest("local", 10)}
    assert listed[other.id] == other
    assert listed[session.id].title == "(a damaged record)"
    assert await store.sessions.newest("local", 10, before=session.id) == []
    await store.sessions.erase("local", session.id)
    assert [found.id for found in await store.sessions.newest("local", 10)] == [other.id]


@pytest.mark.requirement("P10")
async def test_claims_that_brought_no_word_are_counted_since_the_last_word(store: Store, session: Session) -> None:
    await store.turns.accept("local", session.id, "m1", "hello")
    assert await store.turns.fruitless_claims() == {}
    turn = await claimed(store, session)
    await store.turns.append(turn, [TurnStarted(turn=turn.id, agent="default")])
    for expected in (2, 3):
        turn = await claimed(store, session)
        await store.turns.append(turn, [TurnResumed(turn=turn.id, reason="")])
        assert await store.turns.fruitless_claims() == {session.id: expected}
    await store.turns.append(turn, [delta(turn, "a word")])
    assert await store.turns.fruitless_claims() == {}


async def test_sessions_that_have_waited_longest_are_taken_up_first(store: Store) -> None:
    sessions = [await store.sessions.create("local", "chat", "default", {}) for _ in range(3)]
    for session in sessions[::-1]:
        await store.turns.accept("local", session.id, "m1", "hello")
    assert await store.turns.open_sessions() == [session.id for session in sessions[::-1]]
