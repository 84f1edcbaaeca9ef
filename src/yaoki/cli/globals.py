"""Options that every command understands, before its name or after it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from yaoki.settings import Settings

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Settings file [default: $YAOKI_CONFIG, else ./yaoki.toml]."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Globals:
    """What was said for every command."""

    config: Path | None = None
    verbose: bool = False

    def settings(self) -> "Settings":
        """The settings.

        Raises:
            ConfigurationError: They are wrong; see `yaoki.settings.load`.
        """
        from yaoki.settings import load  # a fifth of a second that help does without

        return load(self.config)


def globals_of(context: typer.Context, config: Path | None = None) -> Globals:
    """The options of the command that runs; a file named after the command wins."""
    known = context.find_object(Globals) or Globals()
    return replace(known, config=config) if config else known
