"""Domain events as AG-UI 1.0 frames.

Pure and deterministic: the same log gives the same frames, for every client, before and after a restart. A frame's
place is `seq.n`, see `event_ids`.

What AG-UI demands of the order, and its clients check: a run begins with RUN_STARTED and ends with RUN_FINISHED or
RUN_ERROR, runs do not overlap, a message's text comes between its START and END, and no message is open at a run's end.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from yaoki.sessions.transcript import Message, Transcript
from yaoki.store.events import (
    AnsweredFromCache,
    Continued,
    Degraded,
    DomainEvent,
    FailedOver,
    Guidance,
    GuidanceGiven,
    RecoveryTaken,
    Reset,
    Stored,
    TextDelta,
    TurnEnded,
    TurnResumed,
    TurnStarted,
)

Body = dict[str, Any]

_MARKS: dict[type[Any], tuple[str, dict[str, str]]] = {
    FailedOver: (
        "failover",
        {"from": "from_model", "to": "to_model", "kind": "kind", "phase": "phase", "atChar": "at_char"},
    ),
    Continued: ("continued", {"model": "model", "mode": "mode", "rolledBackChars": "rolled_back_chars"}),
    TurnResumed: ("resumed", {"reason": "reason"}),
    Degraded: ("degraded", {"kind": "kind", "reason": "reason"}),
    AnsweredFromCache: ("cached", {"ageS": "age_s"}),
    RecoveryTaken: ("recovery", {"strategy": "strategy", "reason": "reason"}),
}
"""The CUSTOM frame of an event: its name, and which key of its value is which field of the event."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The n-th frame of event `seq`, as JSON; `turn` is the run that it belongs to."""

    seq: int
    n: int
    turn: str
    body: Body


class Projection:
    """Turns the events of one session into frames, in the order of its log.

    Args:
        transcript: The session up to the event before the first one to project; it is carried on from there.
    """

    __slots__ = ("session_id", "transcript")

    def __init__(self, session_id: str, transcript: Transcript) -> None:
        self.session_id = session_id
        self.transcript = transcript

    def take(self, stored: Stored) -> list[Frame]:
        """The frames of the next event; none for an event that no client needs to see."""
        open_turn, open_message = self.transcript.open_turn, self.transcript.open_message
        self.transcript.fold(stored)
        match stored.event:
            case TurnStarted() as event:
                bodies = [run_started(self.session_id, self.transcript.messages, event.turn)]
            case TextDelta() as event:
                bodies = _text(event, open_message)
            case Reset() as event:
                bodies = self._reset(event, open_message)
            case TurnEnded() as event:
                bodies = self._ended(event, open_turn, open_message)
            case event:
                bodies = _mark(event)
        return [Frame(stored.seq, n, event.turn, body) for n, body in enumerate(bodies, start=1)]

    def _reset(self, event: Reset, open_message: str | None) -> list[Body]:
        facts = {"turnId": event.turn, "messageId": event.message, "reason": event.reason}
        return [*_closed(open_message), custom("reset", facts), snapshot(snapshot_messages(self.transcript))]

    def _ended(self, event: TurnEnded, open_turn: str | None, open_message: str | None) -> list[Body]:
        """The end of a run; one that never began is begun, so that every run has both."""
        messages = self.transcript.messages
        begun = [] if open_turn == event.turn else [run_started(self.session_id, messages, event.turn)]
        models = [model for message in messages if message.turn == event.turn for model in message.models]
        return [*begun, *_closed(open_message), _end(self.session_id, event, list(dict.fromkeys(models)))]


def run_started(session_id: str, messages: Iterable[Message], turn: str) -> Body:
    """RUN_STARTED with the question that the run answers."""
    asked = [_plain(message) for message in messages if message.turn == turn and message.role == "user"]
    given: Body = {"messages": asked, "tools": [], "context": [], "state": {}, "forwardedProps": {}}
    run = {"threadId": session_id, "runId": turn}
    return {"type": "RUN_STARTED", **run, "input": {**run, **given}}


def message_start(message: str, model: str | None) -> Body:
    """TEXT_MESSAGE_START; the name is the model that begins to write, where one does."""
    body = {"type": "TEXT_MESSAGE_START", "messageId": message, "role": "assistant"}
    return {**body, "name": model} if model else body


def snapshot(messages: list[Body]) -> Body:
    """MESSAGES_SNAPSHOT of messages as `snapshot_messages` gives them."""
    return {"type": "MESSAGES_SNAPSHOT", "messages": messages}


def snapshot_messages(transcript: Transcript) -> list[Body]:
    """The messages that a client which saw every frame knows: an answer without a word was never on the wire."""
    return [_plain(message) for message in transcript.messages if message.role == "user" or message.content]


def custom(name: str, value: Body) -> Body:
    """CUSTOM, one of Yaoki's own."""
    return {"type": "CUSTOM", "name": f"yaoki.{name}", "value": value}


def guidance_frame(guidance: Guidance) -> Body:
    """What a client may do now."""
    return custom("guidance", asdict(guidance))


def _plain(message: Message) -> Body:
    body = {"id": message.id, "role": message.role, "content": message.content}
    return {**body, "name": message.models[0]} if message.models else body


def _closed(open_message: str | None) -> list[Body]:
    return [{"type": "TEXT_MESSAGE_END", "messageId": open_message}] if open_message else []


def _text(event: TextDelta, open_message: str | None) -> list[Body]:
    bodies: list[Body] = []
    if open_message != event.message:
        bodies = [*_closed(open_message), message_start(event.message, event.model)]
    if event.text:
        bodies.append({"type": "TEXT_MESSAGE_CONTENT", "messageId": event.message, "delta": event.text})
    return bodies


def _mark(event: DomainEvent) -> list[Body]:
    """What happened to a run, as one of Yaoki's own frames; nothing for an event that is in none."""
    if isinstance(event, GuidanceGiven):
        return [guidance_frame(event.guidance)]
    if type(event) not in _MARKS:
        return []
    name, facts = _MARKS[type(event)]
    return [custom(name, {"turnId": event.turn, **{key: getattr(event, field) for key, field in facts.items()}})]


def _end(session_id: str, event: TurnEnded, models: list[str]) -> Body:
    """The terminal frame.

    AG-UI knows success, interrupt and cancelled. An answer that is degraded, cut at its limit or filtered is none of
    them: the outcome is left out there, and the result says what it is.
    """
    if event.outcome in ("failed", "parked"):
        return _run_error(event)
    result = {
        "outcome": event.outcome,
        "kind": event.kind,
        "usage": event.usage,
        "message": event.message,
        "models": models,
    }
    outcome = {"completed": "success", "cached": "success", "cancelled": "cancelled"}.get(event.outcome)
    body: Body = {"type": "RUN_FINISHED", "threadId": session_id, "runId": event.turn, "result": result}
    return {**body, "outcome": {"type": outcome}} if outcome else body


def _run_error(event: TurnEnded) -> Body:
    """RUN_ERROR with what the client may do; a parked turn waits until somebody has it taken up again."""
    code = event.kind or event.outcome
    action = "wait" if event.outcome == "parked" else "resend"
    return {
        "type": "RUN_ERROR",
        "runId": event.turn,
        "message": event.message or f"The turn {event.outcome} ({code}).",
        "code": code,
        "guidance": asdict(Guidance(state=event.outcome, reason=code, action=action)),
    }
