"""What an examination finds."""

from dataclasses import asdict, dataclass
from typing import Literal

import typer

Status = Literal["ok", "note", "warning", "failure"]

_SIGNS: dict[Status, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "note": ("·", "blue"),
    "warning": ("!", "yellow"),
    "failure": ("✗", "red"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        part: What was looked at, for example `model llama3.2`.
        status: ok; note: an offer; warning: not as it should be, and not needed alone; failure: something that is
            needed does not work.
        found: What is the case.
        remedy: What to do about it; empty if there is nothing to do.
    """

    part: str
    status: Status
    found: str
    remedy: str = ""

    def line(self) -> str:
        """The finding for a person."""
        sign, colour = _SIGNS[self.status]
        remedy = f"\n    → {self.remedy}" if self.remedy else ""
        return f"{typer.style(sign, fg=colour)} {self.part}: {self.found}{remedy}"

    def as_dict(self) -> dict[str, str]:
        """The finding for a program."""
        return asdict(self)


def ok(part: str, found: str) -> Finding:
    """It works."""
    return Finding(part, "ok", found)


def note(part: str, found: str, remedy: str = "") -> Finding:
    """An offer."""
    return Finding(part, "note", found, remedy)


def warning(part: str, found: str, remedy: str = "") -> Finding:
    """It is not as it should be, and Yaoki works without it or in spite of it."""
    return Finding(part, "warning", found, remedy)


def failure(part: str, found: str, remedy: str) -> Finding:
    """Something needed does not work."""
    return Finding(part, "failure", found, remedy)
