"""How a command ends: its exit code, and one line about what went wrong."""

import typer

from yaoki.errors import AIOrchestrationError, ConfigurationError

OK = 0
FAILED = 1
MISUSED = 2
INTERRUPTED = 130

EXPECTED = (AIOrchestrationError, typer.TyperException, typer.Abort, KeyboardInterrupt, BrokenPipeError)
"""What may end a command without being a defect of ours; anything else keeps its traceback."""

_ERROR = "yaoki: "


def say(text: str) -> None:
    """Print a line of a command's result."""
    typer.echo(text)


def tell(text: str) -> None:
    """Print a line about the result, beside it: on the standard error."""
    typer.echo(text, err=True)


def exit_code_of(error: BaseException) -> int:
    """Tell one of the `EXPECTED` errors, in one line for each thing that is wrong, and give its exit code."""
    match error:
        case KeyboardInterrupt() | typer.Abort():
            return INTERRUPTED
        case typer.TyperException():
            message = error.format_message()
            only_help = type(error).__name__ == "NoArgsIsHelpError"
            tell(message if only_help else f"{_ERROR}{_sentence(message)} See yaoki --help.")
            return MISUSED
        case AIOrchestrationError():
            for line in error.message.splitlines():
                tell(f"{_ERROR}{line}")
            return MISUSED if isinstance(error, ConfigurationError) else FAILED
        case _:
            return FAILED  # whoever read our output has gone


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."
