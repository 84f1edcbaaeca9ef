"""The transcript: one fold of the log for history, resumed streams and resumed turns."""

from datetime import UTC, datetime

from yaoki.sessions.transcript import Transcript
from yaoki.store.events import (
    Continued,
    Degraded,
    DomainEvent,
    FailedOver,
    Reset,
    Stored,
    TextDelta,
    TurnAccepted,
    TurnEnded,
    TurnStarted,
)

AT = datetime(2026, 11, 24, tzinfo=UTC)


def told(*events: DomainEvent) -> Transcript:
    transcript = Transcript()
    for seq, event in enumerate(events, 1):
        transcript.fold(Stored(seq=seq, at=AT, event=event))
    return transcript


def accepted(turn: str) -> TurnAccepted:
    return TurnAccepted(turn=turn, message=f"u-{turn}", content=f"question {turn}")


def started(turn: str) -> TurnStarted:
    return TurnStarted(turn=turn, agent="default")


def text(turn: str, words: str, model: str = "one") -> TextDelta:
    return TextDelta(turn=turn, message=f"a-{turn}", text=words, model=model)


def ended(turn: str, outcome: str = "completed") -> TurnEnded:
    return TurnEnded(turn=turn, outcome=outcome)  # type: ignore[arg-type]


FAILOVER = FailedOver(turn="1", from_model="one", to_model="two", kind="model.truncated", phase="mid_stream", at_char=4)


def test_a_question_in_line_joins_when_its_turn_starts() -> None:
    transcript = told(accepted("1"), started("1"), accepted("2"), text("1", "Hi."), ended("1"))
    assert [message.content for message in transcript.messages] == ["question 1", "Hi."]
    assert list(transcript.waiting) == ["2"]
    transcript.fold(Stored(seq=6, at=AT, event=started("2")))
    assert transcript.messages[-1].content == "question 2"
    assert (transcript.open_turn, transcript.open_message, transcript.waiting) == ("2", None, {})


def test_an_answer_knows_its_models_and_where_it_changed_hands() -> None:
    continued = Continued(turn="1", model="two", mode="prefill", rolled_back_chars=0)
    transcript = told(
        accepted("1"), started("1"), text("1", "Half"), FAILOVER, continued, text("1", " more", "two"), ended("1")
    )
    answer = transcript.messages[-1]
    assert (answer.content, answer.models, answer.outcome) == ("Half more", ["one", "two"], "completed")
    assert [(mark.type, mark.at_char) for mark in answer.marks] == [("failover", 4), ("continued", 4)]
    assert answer.marks[0].facts["to_model"] == "two"


def test_what_happened_before_the_first_word_belongs_to_the_answer() -> None:
    transcript = told(accepted("1"), started("1"), FAILOVER, text("1", "Hi", "two"))
    assert [(mark.type, mark.at_char) for mark in transcript.messages[-1].marks] == [("failover", 0)]
    assert transcript.open_message == "a-1"


def test_a_reset_takes_the_text_back_and_keeps_what_happened() -> None:
    reset = Reset(turn="1", message="a-1", reason="no seam")
    transcript = told(accepted("1"), started("1"), text("1", "Half"), FAILOVER, reset)
    assert [message.role for message in transcript.messages] == ["user"]
    assert transcript.open_message is None
    transcript.fold(Stored(seq=6, at=AT, event=text("1", "Whole", "two")))
    answer = transcript.messages[-1]
    assert (answer.content, answer.models) == ("Whole", ["two"])
    assert [(mark.type, mark.at_char) for mark in answer.marks] == [("failover", 0), ("reset", 0)]


def test_a_turn_without_a_word_still_leaves_its_end() -> None:
    transcript = told(accepted("1"), started("1"), ended("1", "cancelled"))
    assert [(message.role, message.content, message.outcome) for message in transcript.messages] == [
        ("user", "question 1", None),
        ("assistant", "", "cancelled"),
    ]
    assert (transcript.open_turn, transcript.open_message) == (None, None)


def test_a_degraded_answer_is_marked_as_one() -> None:
    degraded = Degraded(turn="1", kind="model.all_failed", reason="no model could answer")
    answer = told(accepted("1"), started("1"), degraded, text("1", "Sorry.", ""), ended("1", "degraded")).messages[-1]
    assert (answer.models, answer.outcome, [mark.type for mark in answer.marks]) == ([], "degraded", ["degraded"])
