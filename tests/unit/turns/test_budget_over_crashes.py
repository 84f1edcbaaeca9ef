"""One budget per turn, however often the process that runs it ends."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic_ai import Tool

from tests.unit.turns.conftest import Begin
from tests.unit.turns.instance import end_of, text_of
from tests.unit.turns.test_spending import priced
from yaoki.faults.script import ANSWER, Script
from yaoki.llm.chain.budget import TurnBudget
from yaoki.store.events import (
    Continued,
    DomainEvent,
    FailedOver,
    Stepped,
    Stored,
    TextDelta,
    TurnAccepted,
    TurnResumed,
    TurnStarted,
)
from yaoki.testing import FakeClock
from yaoki.turns.spent import Spent, spent_before

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def log(*events: tuple[float, DomainEvent]) -> list[Stored]:
    """Events, each so many seconds after noon."""
    return [
        Stored(seq=seq, at=NOON + timedelta(seconds=after_s), event=event)
        for seq, (after_s, event) in enumerate(events, 1)
    ]


def spent(*events: tuple[float, DomainEvent]) -> Spent:
    """What a turn of these events has spent, at a dollar for a million tokens, with prompts of ten."""
    return spent_before(log(*events), 10, lambda _model, asked, said: (asked + said) / 1_000_000)


ACCEPTED = TurnAccepted(turn="t", message="m", content="hello")
STARTED = TurnStarted(turn="t", agent="default")
RESUMED = TurnResumed(turn="t", reason="its last run had broken off")
WORDS = TextDelta(turn="t", message="a", text="x" * 40, model="one")


@pytest.mark.requirement("P-5")
def test_time_counts_while_somebody_runs_the_turn_and_not_while_nobody_does() -> None:
    hour = 3600.0
    told = spent((0, ACCEPTED), (20, STARTED), (23, WORDS), (hour, RESUMED), (hour + 4, WORDS), (3 * hour, RESUMED))
    assert told.ran_s == 7


@pytest.mark.requirement("P-5", "S11")
def test_a_clock_that_leaps_spends_a_minute_at_most_and_gives_nothing_back() -> None:
    assert spent((0, STARTED), (5_000, WORDS), (1_000, WORDS), (1_001, RESUMED)).ran_s == 60


@pytest.mark.requirement("P-5")
def test_a_request_that_died_with_its_process_costs_an_attempt_only_if_it_had_brought_nothing() -> None:
    assert spent((0, STARTED), (1, RESUMED)).counts["attempts"] == 1
    assert spent((0, STARTED), (1, WORDS), (2, RESUMED)).counts["attempts"] == 0
    assert spent((0, STARTED), (1, RESUMED), (2, RESUMED)).counts["attempts"] == 2


@pytest.mark.requirement("P-5")
def test_what_a_process_took_with_it_is_estimated() -> None:
    counts = spent((0, STARTED), (1, WORDS), (2, RESUMED)).counts
    assert counts == {
        "requests": 1,
        "attempts": 0,
        "input_tokens": 10,
        "output_tokens": 10,
        "estimated_tokens": 20,
        "cost_microusd": 20,
    }


@pytest.mark.requirement("P-5")
def test_what_was_counted_before_a_step_is_taken_from_it() -> None:
    counted = {"requests": 3, "attempts": 3, "input_tokens": 100, "output_tokens": 50}
    over = FailedOver(
        turn="t", from_model="one", to_model="two", kind="k", phase="mid_stream", at_char=40, spent=counted
    )
    counts = spent((0, STARTED), (1, WORDS), (2, over), (3, WORDS), (4, RESUMED)).counts
    assert (counts["requests"], counts["attempts"], counts["input_tokens"]) == (3, 2, 110)
    assert spent((0, STARTED), (1, WORDS), (2, over), (3, RESUMED)).counts == counted


def test_a_claim_that_has_only_begun_has_spent_nothing() -> None:
    assert spent((0, STARTED)).counts == {}
    assert spent((0, ACCEPTED), (1, STARTED)).ran_s == 0


@pytest.mark.requirement("P-5")
def test_a_budget_that_is_taken_up_has_what_is_left() -> None:
    clock = FakeClock()
    first = TurnBudget(60, 4, max_tokens=1_000, clock=clock)
    first.spend_attempt()
    first.add_usage(400, 100, cost_usd=0.002)
    again = TurnBudget(60, 4, max_tokens=1_000, clock=clock)
    again.resume(first.spending(), 50)
    assert (again.attempts_left, again.remaining_s, again.usage()) == (3, 10, first.usage())
    again.add_usage(400, 100)
    assert again.spent == "tokens"
    again.pause(5)
    assert again.remaining_s == 15


@pytest.mark.requirement("P-5", "P2")
async def test_a_resumed_turn_counts_what_it_spent_before(begin: Begin) -> None:
    first = await begin(Script(token_s=0.02))
    session = await first.session()
    await first.orchestrator.send("local", session.id, "hello")
    await first.events(session, ends=5, until=TextDelta)
    await first.aclose()
    second = await begin(Script())
    priced(second)
    events = await second.events(session)
    assert text_of(events) == ANSWER
    usage = end_of(events).usage
    shown = sum(len(event.text) for event in events[: _place(events, TurnResumed)] if isinstance(event, TextDelta))
    assert usage["requests"] == 2
    assert usage["estimated_tokens"] >= shown / 4
    assert usage["cost_microusd"] == usage["input_tokens"] + usage["output_tokens"]
    assert any(isinstance(event, Continued) and event.spent["requests"] == 2 for event in events)


@pytest.mark.requirement("P-5", "P2")
async def test_attempts_that_failed_before_a_crash_are_not_given_again(begin: Begin) -> None:
    first = await begin(Script(fault="http_503"), Script(token_s=0.02), max_attempts=2)
    session = await first.session()
    await first.orchestrator.send("local", session.id, "hello")
    await first.events(session, ends=5, until=TextDelta)
    await first.aclose()
    second = await begin(Script(fault="cut_mid_stream"), Script(), max_attempts=2)
    events = await second.events(session)
    assert end_of(events).outcome == "failed"
    assert [request.kind for request in second.providers[1].requests if request.kind != "probe"] == []


def _place(events: list[DomainEvent], kind: type[DomainEvent]) -> int:
    return next(at for at, event in enumerate(events) if isinstance(event, kind))


@pytest.mark.requirement("P-5", "P2")
async def test_a_step_with_a_tool_is_counted_although_the_next_one_was_killed(begin: Begin) -> None:
    tools = [Tool(_count, name="count")]
    first = await begin(Script(fault="tool_call", times=1, arguments={}), tools=tools)
    await first.providers[0].play(Script(fault="tool_call", times=1, arguments={}), Script(token_s=0.02))
    session = await first.session()
    await first.orchestrator.send("local", session.id, "hello")
    events = await first.events(session, ends=5, until=TextDelta)
    stepped = next(event for event in events if isinstance(event, Stepped))
    await first.aclose()
    second = await begin(Script(), tools=tools)
    usage = end_of(await second.events(session)).usage
    assert stepped.spent["input_tokens"] > 0
    assert usage["requests"] == 3
    assert usage["input_tokens"] > stepped.spent["input_tokens"]


def _count() -> str:
    """How many ships there are."""
    return "seven"
