"""One turn: every way in which it can end, and what the next one is told of it."""

import asyncio

import pytest

from tests.unit.turns.conftest import Begin
from tests.unit.turns.instance import OWNER, end_of, text_of
from yaoki.faults.script import ANSWER, Script
from yaoki.llm.chain.notices import FirstToken
from yaoki.store.events import (
    Continued,
    Degraded,
    FailedOver,
    RecoveryTaken,
    TextDelta,
    TurnAccepted,
    TurnEnded,
    TurnResumed,
    TurnStarted,
)
from yaoki.turns.notices import TurnFinished


@pytest.mark.requirement("P-1")
async def test_a_whole_answer_ends_once(begin: Begin) -> None:
    instance = await begin(Script())
    finished: list[TurnFinished] = []
    instance.notices.subscribe(TurnFinished, finished.append)
    events = await instance.ask(await instance.session())
    assert [type(event) for event in events[:3]] == [TurnAccepted, TurnStarted, TextDelta]
    assert text_of(events) == ANSWER
    end = end_of(events)
    assert (end.outcome, end.kind, end.message) == ("completed", None, None)
    assert end.usage["requests"] == 1
    await instance.runner.drain(5)
    assert [notice.outcome for notice in finished] == ["completed"]


async def test_a_cut_answer_goes_on_and_both_steps_are_told(begin: Begin) -> None:
    instance = await begin(Script(fault="cut_mid_stream"), Script())
    events = await instance.ask(await instance.session())
    failover = next(event for event in events if isinstance(event, FailedOver))
    assert (failover.from_model, failover.to_model, failover.phase) == ("one", "two", "mid_stream")
    assert any(isinstance(event, Continued) and event.model == "two" for event in events)
    assert text_of(events) == ANSWER
    assert end_of(events).outcome == "completed"


@pytest.mark.requirement("M21", "P-3")
@pytest.mark.parametrize("fault", ["tool_call", "tool_call_stop", "unknown_tool", "tool_loop"])
async def test_a_model_that_calls_a_tool_where_there_is_none_is_left_for_another(begin: Begin, fault: str) -> None:
    instance = await begin(Script(fault=fault), Script())
    events = await instance.ask(await instance.session())
    assert text_of(events) == ANSWER
    assert end_of(events).outcome == "completed"
    assert [event.to_model for event in events if isinstance(event, FailedOver)] == ["two"]


async def test_without_any_model_a_statement_says_so(begin: Begin) -> None:
    instance = await begin(Script(fault="http_503"), Script(fault="refused"))
    events = await instance.ask(await instance.session())
    degraded = next(event for event in events if isinstance(event, Degraded))
    assert degraded.kind == "model.all_failed"
    assert "could not reach any of my models" in text_of(events)
    assert end_of(events).outcome == "degraded"


@pytest.mark.requirement("P-2")
async def test_half_an_answer_that_nobody_can_finish_is_a_failure(begin: Begin) -> None:
    instance = await begin(Script(fault="cut_mid_stream"), Script(fault="http_503"))
    session = await instance.session()
    end = end_of(await instance.ask(session))
    assert (end.outcome, end.kind) == ("failed", "model.all_failed")
    assert end.message is not None
    assert "breaks off" in end.message


@pytest.mark.parametrize("fault, outcome", [("length", "output_limit"), ("filtered", "filtered")])
async def test_an_answer_that_the_provider_ends_early_says_why(begin: Begin, fault: str, outcome: str) -> None:
    instance = await begin(Script(fault=fault))
    end = end_of(await instance.ask(await instance.session()))
    assert end.outcome == outcome
    assert end.message


async def test_stop_ends_a_turn_at_once_and_keeps_what_was_said(begin: Begin) -> None:
    instance = await begin(Script(token_s=0.05))
    session = await instance.session()
    await instance.orchestrator.send(OWNER, session.id, "hello")
    await instance.events(session, until=TextDelta)
    assert len(await instance.orchestrator.cancel(OWNER, session.id)) == 1
    events = await instance.events(session)
    assert end_of(events).outcome == "cancelled"
    assert ANSWER.startswith(text_of(events))
    await instance.providers[0].play(Script())
    await instance.ask(session, "and now?")
    told = instance.providers[0].requests[-1].body["messages"]
    assert [message["role"] for message in told] == ["system", "user", "assistant", "user"]
    assert told[2]["content"] == text_of(events)


async def test_a_message_in_line_that_is_stopped_is_never_asked(begin: Begin) -> None:
    instance = await begin(Script(token_s=0.02))
    session = await instance.session()
    await instance.orchestrator.send(OWNER, session.id, "first")
    second = await instance.orchestrator.send(OWNER, session.id, "second")
    await instance.orchestrator.cancel(OWNER, session.id, turn_id=second.turn_id)
    events = await instance.events(session, ends=2)
    assert [(event.turn == second.turn_id, event.outcome) for event in events if isinstance(event, TurnEnded)] == [
        (False, "completed"),
        (True, "cancelled"),
    ]
    assert len([request for request in instance.providers[0].requests if request.kind == "answer"]) == 1


async def test_messages_of_a_session_are_answered_one_after_the_other(begin: Begin) -> None:
    instance = await begin(Script(answer=lambda request: f"You said {request.messages[-1]['content']}."))
    session = await instance.session()
    for word in ("one", "two", "three"):
        await instance.orchestrator.send(OWNER, session.id, word)
    transcript = await instance.orchestrator.transcript(OWNER, session.id)
    await instance.events(session, ends=3)
    transcript = await instance.orchestrator.transcript(OWNER, session.id)
    assert [(message.role, message.content) for message in transcript.messages] == [
        ("user", "one"),
        ("assistant", "You said one."),
        ("user", "two"),
        ("assistant", "You said two."),
        ("user", "three"),
        ("assistant", "You said three."),
    ]
    last = instance.providers[0].requests[-1].body["messages"]
    assert [message["content"] for message in last[1:]] == ["one", "You said one.", "two", "You said two.", "three"]


async def test_the_oldest_messages_are_left_out_of_a_full_window_and_it_is_said(begin: Begin) -> None:
    instance = await begin(Script(answer="Yes."), context_chars=2_000)
    session = await instance.session()
    for n in range(8):
        events = await instance.ask(session, f"question {n} " + "word " * 40)
    left_out = [event for event in events if isinstance(event, RecoveryTaken)]
    assert left_out
    assert left_out[-1].strategy == "compact_context"
    told = instance.providers[0].requests[-1].body["messages"]
    assert told[-1]["content"].startswith("question 7")
    assert not any("question 0" in str(message["content"]) for message in told)


@pytest.mark.requirement("M22", "P-7")
async def test_a_conversation_that_no_window_holds_is_shortened_and_it_is_said(begin: Begin) -> None:
    instance = await begin(Script(answer="Yes."))
    session = await instance.session()
    for n in range(4):
        await instance.ask(session, f"question {n}")
    await instance.providers[0].play(Script(fault="context_overflow", times=1))
    events = await instance.ask(session, "question 4")
    started = max(at for at, event in enumerate(events) if isinstance(event, TurnStarted))
    assert (text_of(events[started:]), end_of(events[started:]).outcome) == (ANSWER, "completed")
    [left_out] = [event for event in events if isinstance(event, RecoveryTaken)]
    assert left_out.strategy == "compact_context"
    told = instance.providers[0].requests[-1].body["messages"]
    assert told[0]["role"] == "system"
    assert told[-1]["content"] == "question 4"
    assert not any("question 0" in str(message["content"]) for message in told)


@pytest.mark.requirement("M22", "P-7")
async def test_a_message_that_no_window_holds_is_said_to_be_too_long(begin: Begin) -> None:
    instance = await begin(Script(fault="context_overflow"), Script(fault="context_overflow"))
    events = await instance.ask(await instance.session())
    end = end_of(events)
    assert (end.outcome, end.kind) == ("degraded", "model.context_overflow")
    assert "too long" in text_of(events)


@pytest.mark.requirement("P-3")
async def test_a_turn_left_half_answered_goes_on_from_its_last_word(begin: Begin) -> None:
    first = await begin(Script(token_s=0.02))
    session = await first.session()
    await first.orchestrator.send(OWNER, session.id, "hello")
    await first.events(session, ends=5, until=TextDelta)
    await first.aclose()
    second = await begin(Script())
    events = await second.events(session)
    assert text_of(events) == ANSWER
    assert sum(isinstance(event, TurnStarted) for event in events) == 1
    assert sum(isinstance(event, TurnResumed) for event in events) == 1
    assert end_of(events).outcome == "completed"
    await second.ask(session, "and then?")
    assert second.providers[0].requests[-1].body["messages"][2]["content"] == ANSWER


async def test_a_turn_stopped_just_before_a_crash_stays_stopped(begin: Begin) -> None:
    first = await begin(Script(token_s=0.02))
    session = await first.session()
    await first.orchestrator.send(OWNER, session.id, "hello")
    await first.events(session, until=TextDelta)
    await first.store.turns.request_cancel(OWNER, session.id, None)  # written, and then the process is gone
    await first.aclose()
    second = await begin(Script())
    events = await second.events(session)
    assert end_of(events).outcome == "cancelled"
    assert not second.providers[0].requests


@pytest.mark.requirement("P10")
async def test_a_turn_that_never_gets_anywhere_is_parked_and_can_be_taken_up_again(begin: Begin) -> None:
    instance = await begin(Script(first_token_s=30))
    session = await instance.session()
    await instance.orchestrator.send(OWNER, session.id, "hello", message_id="m1")
    await instance.events(session, until=TurnStarted)
    for n in range(4):
        await instance.runner.leave(session.id)
        instance.runner.submit(session.id)
        await instance.events(session, ends=n + 1, until=TurnResumed)
    events = await instance.events(session)
    end = end_of(events)
    assert (end.outcome, end.kind) == ("parked", "agent.parked")
    await instance.providers[0].play(Script())
    again = await instance.orchestrator.recover_session(OWNER, session.id)
    events = await instance.events(session, ends=2)
    assert isinstance(events[-1], TurnEnded)
    assert (events[-1].turn, events[-1].outcome) == (again.turn_id, "completed")


@pytest.mark.requirement("P-1", "P-6")
async def test_a_cancellation_that_nobody_asked_for_is_no_stop(begin: Begin) -> None:
    instance = await begin(Script())
    strays = [1]

    def stray(_: FirstToken) -> None:
        task = asyncio.current_task()
        assert task is not None
        if strays:
            strays.pop()
            task.cancel()

    instance.notices.subscribe(FirstToken, stray)
    events = await instance.ask(await instance.session())
    assert not strays
    assert text_of(events) == ANSWER
    assert end_of(events).outcome == "completed"
    assert sum(isinstance(event, TurnResumed) for event in events) == 1
