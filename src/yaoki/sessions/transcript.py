"""A session's log as the messages that a person sees.

The transcript is a fold: it takes stored events in order and never looks anything up. The same fold serves the history
of a session, the prelude of a resumed stream, and a turn that goes on after a crash, so all three agree.
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from yaoki.store.events import (
    AnsweredFromCache,
    Continued,
    Degraded,
    FailedOver,
    RecoveryTaken,
    Reset,
    Stored,
    TextDelta,
    TurnAccepted,
    TurnEnded,
    TurnResumed,
    TurnStarted,
)

_MARKS = {
    FailedOver: "failover",
    Continued: "continued",
    Reset: "reset",
    TurnResumed: "resumed",
    Degraded: "degraded",
    AnsweredFromCache: "cached",
    RecoveryTaken: "recovery",
}
_NOT_TOLD = ("turn", "message", "at_char", "spent")


@dataclass(slots=True, kw_only=True)
class Mark:
    """Something that happened to an answer: what, after how many characters of its text, and the event's own facts."""

    type: str
    at_char: int
    facts: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Message:
    """One message of the conversation.

    Attributes:
        models: The models that wrote it, in order of appearance.
        outcome: How its turn ended; None while it runs, and for messages of people.
        note: One plain sentence about the outcome, where there is something to say.
    """

    id: str
    role: Literal["user", "assistant"]
    turn: str
    content: str
    at: datetime
    models: list[str] = field(default_factory=list[str])
    marks: list[Mark] = field(default_factory=list[Mark])
    outcome: str | None = None
    note: str | None = None


@dataclass(slots=True)
class Transcript:
    """The messages of a session up to and with `last_seq`.

    A user's message joins when its turn starts, so that questions and answers alternate as they were answered; those
    still in line are in `waiting`, by turn.

    Attributes:
        open_turn: The turn that runs, or None.
        open_message: The message that is being written, or None.
    """

    messages: list[Message] = field(default_factory=list[Message])
    waiting: dict[str, Message] = field(default_factory=dict[str, Message])
    open_turn: str | None = None
    open_message: str | None = None
    last_seq: int = 0
    _marks: list[Mark] = field(default_factory=list[Mark])

    def fold(self, stored: Stored) -> None:
        """Take the next event of the log."""
        self.last_seq = stored.seq
        match stored.event:
            case TurnAccepted() as event:
                self.waiting[event.turn] = Message(
                    id=event.message, role="user", turn=event.turn, content=event.content, at=stored.at
                )
            case TurnStarted() as event:
                self.open_turn = event.turn
                self._marks = []
                self._ask(event.turn)
            case TextDelta() as event:
                self._write(event, stored.at)
            case Reset() as event:
                self._void(event)
            case TurnEnded() as event:
                self._end(event, stored.at)
            case event if type(event) in _MARKS:
                self._mark(event)
            case _:
                pass

    def answer(self) -> Message | None:
        """The message being written in the open turn, or None before its first word."""
        return self.messages[-1] if self.open_message is not None else None

    def _ask(self, turn: str) -> None:
        question = self.waiting.pop(turn, None)
        if question is not None:
            self.messages.append(question)

    def _write(self, event: TextDelta, at: datetime) -> None:
        if self.open_message != event.message:
            self.open_message = event.message
            message = Message(id=event.message, role="assistant", turn=event.turn, content="", at=at, marks=self._marks)
            self.messages.append(message)
            self._marks = []
        answer = self.messages[-1]
        answer.content += event.text
        if event.model and event.model not in answer.models:
            answer.models.append(event.model)

    def _mark(self, event: Any) -> None:
        answer = self.answer()
        facts = {name: value for name, value in asdict(event).items() if name not in _NOT_TOLD}
        mark = Mark(type=_MARKS[type(event)], at_char=len(answer.content) if answer else 0, facts=facts)
        (answer.marks if answer else self._marks).append(mark)

    def _void(self, event: Reset) -> None:
        """The text so far is void; what happened to it is still told, from the start of the new text."""
        answer = self.answer()
        if answer is not None:
            self.messages.pop()
            self._marks = [Mark(type=mark.type, at_char=0, facts=mark.facts) for mark in answer.marks]
            self.open_message = None
        self._mark(event)

    def _end(self, event: TurnEnded, at: datetime) -> None:
        if self.open_message is None:
            empty = Message(
                id=f"{event.turn}-end", role="assistant", turn=event.turn, content="", at=at, marks=self._marks
            )
            self.messages.append(empty)
        answer = self.messages[-1]
        answer.outcome, answer.note = event.outcome, event.message
        self.open_turn = self.open_message = None
        self._marks = []
