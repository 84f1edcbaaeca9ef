"""The commands of `yaoki sessions`: names, options and help; the work is in `sessions`."""

from typing import Annotated

import typer

from yaoki.cli.globals import ConfigOption, JsonOption, globals_of

app = typer.Typer(
    help="List, show and delete sessions.", rich_markup_mode=None, no_args_is_help=True, pretty_exceptions_enable=False
)

SessionArgument = Annotated[str, typer.Argument(metavar="SESSION", help="The session's id, or the beginning of it.")]


@app.command("list")
def list_sessions(
    context: typer.Context,
    config: ConfigOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List sessions, the newest activity first. Reads beside a running server."""
    from yaoki.cli.sessions import print_sessions

    print_sessions(globals_of(context, config), limit=limit, as_json=as_json)


@app.command("show")
def show_session(
    context: typer.Context, session: SessionArgument, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Print a session's messages and what happened to its answers. Reads beside a running server."""
    from yaoki.cli.sessions import print_session

    print_session(globals_of(context, config), session, as_json=as_json)


@app.command("delete")
def delete_session(
    context: typer.Context,
    session: SessionArgument,
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Erase a session with all its messages, for good."""
    from yaoki.cli.sessions import erase_session

    erase_session(globals_of(context, config), session, ask=not yes)
