"""The commands of `yaoki`: names, options and help.

Each body is one call into the module that does the work; it has the command's name, such as `chat` or `keys`.
"""

from typing import Annotated, NoReturn

import typer

from yaoki.cli import key_commands, models, session_commands
from yaoki.cli.chaos.options import EXAMPLES, chaos
from yaoki.cli.globals import ConfigOption, Globals, JsonOption, globals_of
from yaoki.cli.outcome import EXPECTED, exit_code_of, say


def _examples(*lines: str) -> str:
    """An epilog that keeps its lines."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


app = typer.Typer(
    name="yaoki",
    help="AI agents that survive: chat, serve and see what is going on.",
    epilog="Begin with: yaoki doctor, then yaoki chat",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(models.app, name="models")
app.add_typer(session_commands.app, name="sessions")
app.add_typer(key_commands.app, name="keys")


def run(arguments: list[str]) -> int:
    """Run a command line.

    Returns:
        The exit code: 0, 1 for a failure, 2 for wrong usage or configuration, 130 when interrupted.
    """
    try:
        code = app(arguments, prog_name="yaoki", standalone_mode=False)
    except EXPECTED as error:
        return exit_code_of(error)
    return code if isinstance(code, int) else 0


def _say_version(asked: bool = True) -> None:
    if not asked:
        return
    from importlib.metadata import version as version_of

    say(f"yaoki {version_of('yaoki')}")
    raise typer.Exit


@app.callback()
def everywhere(
    context: typer.Context,
    config: ConfigOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens inside.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_say_version, is_eager=True)
    ] = False,
) -> None:
    """Options for every command."""
    context.obj = Globals(config=config, verbose=verbose)


@app.command(
    epilog=_examples(
        "yaoki serve", "yaoki serve --config yaoki.toml", "YAOKI_SERVER__PORT=9000 yaoki serve --json-logs"
    )
)
def serve(
    context: typer.Context,
    config: ConfigOption = None,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Log as JSON lines.")] = False,
) -> None:
    """Run the server until it is told to stop.

    Without a settings file it listens on http://127.0.0.1:8400, keeps its data in ~/.local/share/yaoki and answers with
    the embedded model.
    """
    from yaoki.cli.serve import serve as run_server

    run_server(globals_of(context, config), json_logs=json_logs)


@app.command(
    epilog=_examples(
        "yaoki chat",
        "yaoki chat --session s_2f6c1d…",
        'yaoki chat --once "What is the capital of France?"',
        "yaoki chat --session s_2f6c1d… --json < questions.txt",
    )
)
def chat(
    context: typer.Context,
    config: ConfigOption = None,
    session: Annotated[
        str | None, typer.Option("--session", "-s", metavar="ID", help="Go on with this session.")
    ] = None,
    once: Annotated[str | None, typer.Option("--once", metavar="QUESTION", help="Ask this and end.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every event as a JSON line.")] = False,
) -> None:
    """Talk in the terminal.

    Uses the server that runs, or starts one inside this command. Ctrl-C stops the answer, a second one leaves; Ctrl-D
    leaves. With --once, or questions from a pipe, the exit code is 0 if every answer is whole, 1 if one is not (the
    standard error says what is missing), 130 if it was stopped.
    """
    from yaoki.cli.chat import ChatOptions
    from yaoki.cli.chat import chat as talk

    _exit(talk(globals_of(context, config), ChatOptions(session=session, once=once, as_json=as_json)))


@app.command(epilog=_examples("yaoki demo", "yaoki demo --json", "yaoki demo > demo.txt"))
def demo(as_json: JsonOption = False) -> None:
    """Watch a cut stream and a killed server.

    The bare openai SDK stands beside Yaoki. Takes less than a minute; needs no key and no network, only the embedded
    model (yaoki models install). The model, the server, the sockets and the signals are real. One answer of the model
    is recorded and played to both sides with the same cut. The scoreboard is computed from what each side received.
    The exit code is 0 if Yaoki won, 1 if not. Everything happens in a temporary folder and on free ports of 127.0.0.1,
    and is gone afterwards.
    """
    from yaoki.cli.demo.demo import demo as play

    _exit(play(as_json=as_json))


@app.command(epilog=_examples("yaoki doctor", "yaoki doctor --config yaoki.toml --json"))
def doctor(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Say what works, and what to do about the rest.

    Costs nothing and changes nothing. The exit code is 0 if everything that is needed works, 1 if not.
    """
    from yaoki.cli.doctor.doctor import doctor as examine

    _exit(examine(globals_of(context, config), as_json=as_json))


@app.command(epilog=_examples("yaoki logs s_2f6c", "yaoki logs s_2f6c --follow --json"))
def logs(
    context: typer.Context,
    session: Annotated[str, typer.Argument(metavar="SESSION", help="The session's id, or the beginning of it.")],
    config: ConfigOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new events as they come.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print a session's event log.

    Reads the database beside a running server, without disturbing it.
    """
    from yaoki.cli.logs import print_log

    print_log(globals_of(context, config), session, follow=follow, as_json=as_json)


app.command(epilog=_examples(*EXAMPLES))(chaos)


@app.command()
def version() -> None:
    """Print the version."""
    _say_version()


def _exit(code: int) -> NoReturn:
    raise typer.Exit(code)
