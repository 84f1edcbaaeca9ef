"""What a conversation prints: the answers' text as the result, everything else as quiet notes beside it."""

import json
import sys
from typing import Any

import typer

from yaoki.cli.client import Frame, LinkBack, LinkLost


class Screen:
    """Text for people: answers on the standard output, notes dimmed on the standard error."""

    def event(self, item: Frame | LinkLost | LinkBack) -> None:
        """Something came over the link."""

    def write(self, text: str) -> None:
        """A piece of an answer, at once."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def note(self, line: str) -> None:
        """A remark on a line of its own."""
        typer.secho(line, dim=True, err=True)


class JsonScreen(Screen):
    """One JSON line for each event, as `{"id", "event"}`; interruptions appear as the guidance they would be."""

    def event(self, item: Frame | LinkLost | LinkBack) -> None:
        """Print it."""
        match item:
            case Frame():
                self._print(item.id, dict(item.event))
            case LinkLost(reason):
                self._guidance("interrupted", reason)
            case LinkBack():
                self._guidance("connected", "")

    def write(self, text: str) -> None:
        """The text is in the events."""

    def note(self, line: str) -> None:
        """What notes say is in the events."""

    def _guidance(self, state: str, reason: str) -> None:
        value = {"state": state, "reason": reason, "action": "wait"}
        self._print("", {"type": "CUSTOM", "name": "yaoki.guidance", "value": value})

    def _print(self, event_id: str, event: dict[str, Any]) -> None:
        typer.echo(json.dumps({"id": event_id or None, "event": event}, ensure_ascii=False))
