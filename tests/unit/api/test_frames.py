import pytest
from hypothesis import given, settings

from tests.unit.api.agui import Client
from tests.unit.api.logs import logs, stored
from yaoki.api.event_ids import EventId, parse_event_id
from yaoki.api.frames import Body, Frame, Projection
from yaoki.api.view import View, resume
from yaoki.errors import SecurityInputRejectedError
from yaoki.sessions.transcript import Transcript
from yaoki.store.events import (
    AnsweredFromCache,
    Continued,
    Degraded,
    DomainEvent,
    FailedOver,
    Guidance,
    GuidanceGiven,
    Outcome,
    RecoveryTaken,
    Reset,
    Stored,
    TextDelta,
    TurnAccepted,
    TurnEnded,
    TurnResumed,
    TurnStarted,
)

ASKED = [TurnAccepted(turn="t", message="u", content="hello"), TurnStarted(turn="t", agent="default")]


def text(said: str, model: str = "one", message: str = "m") -> TextDelta:
    return TextDelta(turn="t", message=message, text=said, model=model)


def project(log: list[Stored]) -> list[Frame]:
    projection = Projection("s", Transcript())
    return [frame for event in log for frame in projection.take(event)]


def bodies(*events: DomainEvent) -> list[Body]:
    """The frames of the last event."""
    log = stored([*ASKED, *events])
    return [frame.body for frame in project(log) if frame.seq == log[-1].seq]


def test_a_run_starts_with_its_question() -> None:
    [body] = bodies()
    assert body == {
        "type": "RUN_STARTED",
        "threadId": "s",
        "runId": "t",
        "input": {
            "threadId": "s",
            "runId": "t",
            "messages": [{"id": "u", "role": "user", "content": "hello"}],
            "tools": [],
            "context": [],
            "state": {},
            "forwardedProps": {},
        },
    }


def test_an_accepted_message_shows_itself_in_its_run_only() -> None:
    assert bodies(TurnAccepted(turn="t2", message="u2", content="next")) == []


def test_the_first_words_start_a_message_in_the_name_of_their_model() -> None:
    assert bodies(text("Hi")) == [
        {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant", "name": "one"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "Hi"},
    ]
    assert bodies(text("Hi"), text(" you", "two")) == [
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": " you"}
    ]


def test_a_statement_of_ours_has_no_model_in_its_name() -> None:
    assert "name" not in bodies(text("Sorry.", model=""))[0]


def test_a_second_message_ends_the_first() -> None:
    assert [body["type"] for body in bodies(text("Hi"), text("And", message="m2"))] == [
        "TEXT_MESSAGE_END",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
    ]


@pytest.mark.parametrize(
    "event, name, value",
    [
        (
            FailedOver(turn="t", from_model="a", to_model="b", kind="model.timeout", phase="mid_stream", at_char=7),
            "failover",
            {"turnId": "t", "from": "a", "to": "b", "kind": "model.timeout", "phase": "mid_stream", "atChar": 7},
        ),
        (
            Continued(turn="t", model="b", mode="prefill", rolled_back_chars=2),
            "continued",
            {"turnId": "t", "model": "b", "mode": "prefill", "rolledBackChars": 2},
        ),
        (TurnResumed(turn="t", reason="why"), "resumed", {"turnId": "t", "reason": "why"}),
        (
            Degraded(turn="t", kind="model.all_failed", reason="why"),
            "degraded",
            {"turnId": "t", "kind": "model.all_failed", "reason": "why"},
        ),
        (AnsweredFromCache(turn="t", age_s=1.5), "cached", {"turnId": "t", "ageS": 1.5}),
        (
            RecoveryTaken(turn="t", strategy="retry", reason="why"),
            "recovery",
            {"turnId": "t", "strategy": "retry", "reason": "why"},
        ),
        (
            GuidanceGiven(turn="t", guidance=Guidance(state="slow", reason="why", action="wait", retry_after_s=1.0)),
            "guidance",
            {
                "state": "slow",
                "reason": "why",
                "action": "wait",
                "retry_after_s": 1.0,
                "resume_from": None,
                "channel": None,
            },
        ),
    ],
)
@pytest.mark.requirement("P-7")
def test_what_happens_to_a_run_is_said(event: DomainEvent, name: str, value: Body) -> None:
    assert bodies(event) == [{"type": "CUSTOM", "name": f"yaoki.{name}", "value": value}]


@pytest.mark.requirement("P-3")
def test_a_reset_ends_the_message_and_tells_what_is_left() -> None:
    told = bodies(text("Half an ans"), Reset(turn="t", message="m", reason="the seam was refused"))
    assert told == [
        {"type": "TEXT_MESSAGE_END", "messageId": "m"},
        {
            "type": "CUSTOM",
            "name": "yaoki.reset",
            "value": {"turnId": "t", "messageId": "m", "reason": "the seam was refused"},
        },
        {"type": "MESSAGES_SNAPSHOT", "messages": [{"id": "u", "role": "user", "content": "hello"}]},
    ]


@pytest.mark.parametrize(
    "outcome, agui",
    [
        ("completed", {"type": "success"}),
        ("cached", {"type": "success"}),
        ("cancelled", {"type": "cancelled"}),
        ("degraded", None),
        ("output_limit", None),
        ("filtered", None),
    ],
)
@pytest.mark.requirement("P-2")
def test_only_a_whole_answer_is_called_a_success(outcome: Outcome, agui: Body | None) -> None:
    end = TurnEnded(turn="t", outcome=outcome, kind="x.y", usage={"output_tokens": 2}, message="So it is.")
    closed, finished = bodies(text("Hi"), text("!", "two"), end)
    assert closed == {"type": "TEXT_MESSAGE_END", "messageId": "m"}
    assert finished.get("outcome") == agui
    assert (finished["type"], finished["threadId"], finished["runId"]) == ("RUN_FINISHED", "s", "t")
    assert finished["result"] == {
        "outcome": outcome,
        "kind": "x.y",
        "usage": {"output_tokens": 2},
        "message": "So it is.",
        "models": ["one", "two"],
    }


@pytest.mark.parametrize(
    "outcome, action",
    [("failed", "resend"), ("parked", "wait")],
)
@pytest.mark.requirement("P-7", "P-8")
def test_a_failed_run_says_what_to_do(outcome: Outcome, action: str) -> None:
    [error] = bodies(TurnEnded(turn="t", outcome=outcome, kind="agent.turn_budget_spent", message="It took too long."))
    assert (error["type"], error["message"], error["code"]) == (
        "RUN_ERROR",
        "It took too long.",
        "agent.turn_budget_spent",
    )
    assert (error["guidance"]["state"], error["guidance"]["action"]) == (outcome, action)


def test_a_run_that_never_began_is_begun_to_be_ended() -> None:
    log = stored([ASKED[0], TurnEnded(turn="t", outcome="cancelled")])
    assert [frame.body["type"] for frame in project(log)] == ["RUN_STARTED", "RUN_FINISHED"]


def transcript_of(log: list[Stored]) -> Transcript:
    transcript = Transcript()
    for event in log:
        transcript.fold(event)
    return transcript


def shown(transcript: Transcript) -> list[tuple[str, str, str]]:
    """What a client that saw everything shows: an answer without a word was never on the wire, unless it was begun."""
    return [(m.id, m.role, m.content) for m in transcript.messages if m.role == "user" or m.content]


def with_words(client: Client) -> list[tuple[str, str, str]]:
    return [message for message in client.messages if message[1] == "user" or message[2]]


@given(logs())
@settings(max_examples=100, deadline=None)
@pytest.mark.requirement("P-1")
def test_every_log_is_a_stream_that_a_client_accepts_with_one_end_for_each_run(log: list[Stored]) -> None:
    client = Client()
    client.take(frame.body for frame in project(log))
    assert with_words(client) == shown(transcript_of(log))
    assert client.ends == [event.event.turn for event in log if isinstance(event.event, TurnEnded)]
    assert client.run == transcript_of(log).open_turn


@given(logs())
@settings(max_examples=40, deadline=None)
@pytest.mark.requirement("P-3", "C1")
def test_resuming_anywhere_gives_the_same_text_and_the_same_ends(log: list[Stored]) -> None:
    frames = project(log)
    whole = Client()
    whole.take(frame.body for frame in frames)
    for place in [(frame.seq, frame.n) for frame in frames] + [(event.seq, 0) for event in log]:
        seen = [frame for frame in frames if (frame.seq, frame.n) <= place]
        client = Client()
        client.take(frame.body for frame in seen)
        run_open = client.run is not None
        client.reconnected()
        client.take(resumed(log, *place))
        assert client.messages == whole.messages, f"resumed at {place}"
        assert client.ends == whole.ends, f"resumed at {place}"
        if run_open:  # then the prelude tells a client without any memory everything
            newcomer = Client()
            newcomer.take(resumed(log, *place))
            assert sorted(newcomer.messages) == sorted(whole.messages), f"a newcomer at {place}"


def resumed(log: list[Stored], seq: int, n: int) -> list[Body]:
    """What a reader gets who resumes at a place."""
    projection = Projection("s", Transcript())
    for event in log[: seq - 1]:
        projection.take(event)
    if n == 0:
        told, left = View("s", projection.transcript).prelude(), log[seq - 1 :]
    else:
        told, frames = resume(projection, log[seq - 1], n)
        told, left = told + [frame.body for frame in frames], log[seq:]
    return told + [frame.body for event in left for frame in projection.take(event)]


@given(logs())
@settings(max_examples=30, deadline=None)
@pytest.mark.requirement("P4")
def test_the_same_log_gives_the_same_frames(log: list[Stored]) -> None:
    assert project(log) == project(log)
    places = [(frame.seq, frame.n) for frame in project(log)]
    assert places == sorted(set(places))
    assert all(n == 1 or (seq, n - 1) in places for seq, n in places)


@pytest.mark.parametrize("text", ["a1b2:7.3", "a1b2:1.0"])
def test_an_event_id_is_read_as_it_was_written(text: str) -> None:
    assert str(parse_event_id(text, "after")) == text


def test_an_id_before_the_first_event_is_the_beginning() -> None:
    assert parse_event_id("x:0.0", "after") == EventId("x", 1, 0)


@pytest.mark.parametrize("text", ["", "7", "x:7", "x:7.", "x:-1.0", "x:1.0\n", "x:1.0 ", ":1.0", "x:1.0.0", "x:١.٠"])
def test_what_is_no_event_id_is_refused(text: str) -> None:
    with pytest.raises(SecurityInputRejectedError) as caught:
        parse_event_id(text, "after")
    assert caught.value.facts["status"] == 400
    assert caught.value.facts["field"] == "after"
