"""One answer, told on a terminal while it is written.

A fold over the frames of a session: it prints the text of one turn as it comes, never a word twice, and collects what
happened to it on the way. Text that was shown and then voided is said to be void, since a terminal cannot take it back.
"""

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from yaoki.cli.client import Frame, LinkBack, LinkLost

WHOLE = frozenset({"completed", "cached"})


class Answer:
    """Prints the answer of one turn.

    Args:
        turn_id: The turn; frames of others are passed over.
        write: Gets the answer's text, in pieces.
        note: Gets one line about the answer at a time.

    Attributes:
        outcome: How the turn ended, or None while it runs.
        log_changed: The server has another log than before: whether it still knows the turn is to be asked.
    """

    def __init__(self, turn_id: str, write: Callable[[str], None], note: Callable[[str], None]) -> None:
        self.turn_id = turn_id
        self.outcome: str | None = None
        self.log_changed = False
        self._write = write
        self._note = note
        self._run: str | None = None
        self._message: str | None = None
        self._text = ""
        self._snapshot: dict[str, str] = {}
        self._later: list[str] = []

    def take(self, frame: Frame | LinkLost | LinkBack) -> None:
        """The next thing that came over the link."""
        match frame:
            case LinkLost():
                self._aside(f"interrupted: {frame.reason}; reconnecting")
            case LinkBack():
                self._aside("connected again")
            case Frame(type="RUN_STARTED"):
                self._run = str(frame.event.get("runId"))
            case Frame(type="yaoki.reset") if frame.value.get("reason") == "log_changed":
                self.log_changed = True
            case Frame() if self._run == self.turn_id and self.outcome is None:
                self._own(frame)
            case _:
                pass

    def end(self, outcome: str, note: str | None = None, text: str | None = None) -> None:
        """The turn is over; what is left of its text and what happened to it is told now."""
        if text is not None:
            self._show(text)
        self.outcome = outcome
        if self._text and not self._text.endswith("\n"):
            self._write("\n")
        for line in self._later:
            self._note(line)
        if note and note != self._text:
            self._note(note)

    def _own(self, frame: Frame) -> None:
        event = frame.event
        match frame.type:
            case "TEXT_MESSAGE_START":
                self._open(str(event.get("messageId")))
            case "TEXT_MESSAGE_CONTENT":
                self._add(str(event.get("delta", "")))
            case "MESSAGES_SNAPSHOT":
                messages: list[Mapping[str, Any]] = event.get("messages") or []
                self._snapshot = {str(m.get("id")): str(m.get("content", "")) for m in messages}
            case "RUN_FINISHED":
                result: Mapping[str, Any] = event.get("result") or {}
                self.end(str(result.get("outcome", "completed")), result.get("message"))
            case "RUN_ERROR":
                self.end("failed", str(event.get("message", "The turn failed.")))
            case name:
                self._happened(name, frame.value)

    def _open(self, message_id: str) -> None:
        """A message begins, or is opened again after a reconnect: then the snapshot tells what we missed of it."""
        if message_id != self._message:
            self._message, self._text = message_id, ""
        if message_id in self._snapshot:
            self._show(self._snapshot[message_id])
        self._snapshot = {}

    def _show(self, text: str) -> None:
        """Make what is on the terminal be `text`, by adding to it where that is possible."""
        if not text.startswith(self._text):
            self._aside("what was written so far is void; the answer begins again")
            self._text = ""
        self._add(text[len(self._text) :])

    def _add(self, text: str) -> None:
        if text:
            self._text += text
            self._write(printable(text))

    def _happened(self, name: str, facts: Mapping[str, Any]) -> None:
        """Something that is not text. Said at once before the first word, and after the last one otherwise."""
        if name == "yaoki.reset":
            self._aside("what was written so far is void; the answer begins again")
            self._text = ""
            return
        line = _HAPPENINGS.get(name, lambda _facts: "")(facts)
        if line and self._text:
            self._later.append(line)
        elif line:
            self._note(line)

    def _aside(self, line: str) -> None:
        """A note in the middle of the text, on a line of its own."""
        if self._text and not self._text.endswith("\n"):
            self._write("\n")
        self._note(line)


def _failover(facts: Mapping[str, Any]) -> str:
    where = f" after {facts.get('atChar')} characters" if facts.get("phase") == "mid_stream" else ""
    return f"{facts.get('from')} failed{where} ({facts.get('kind')}); {facts.get('to')} takes over"


_HAPPENINGS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "yaoki.failover": _failover,
    "yaoki.resumed": lambda facts: f"taken up again: {facts.get('reason')}",
    "yaoki.cached": lambda facts: f"an earlier answer, {facts.get('ageS')} s old",
    "yaoki.degraded": lambda facts: f"no model could answer ({facts.get('kind')})",
}


def printable(text: str) -> str:
    """The text without control characters: a model's words must not steer the terminal."""
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) != "Cc")
