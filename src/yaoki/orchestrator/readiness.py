"""Whether this instance should get work."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readiness:
    """The state of each part by its name: "ok", or a reason in plain words.

    Attributes:
        checks: What must work for new messages to be taken.
        notes: What may be down while the rest goes on, for example one model of several.
    """

    checks: dict[str, str]
    notes: dict[str, str]

    @property
    def ready(self) -> bool:
        """Whether new messages can be taken."""
        return all(state == "ok" for state in self.checks.values())
