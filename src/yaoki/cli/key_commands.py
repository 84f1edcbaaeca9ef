"""The commands of `yaoki keys`: names, options and help; the work is in `keys`."""

from typing import Annotated

import typer

from yaoki.cli.globals import ConfigOption, JsonOption, globals_of

app = typer.Typer(
    help="Make, list and revoke API keys for the base URL (/v1).",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, and . _ - between them.")]


@app.command("create")
def create_key(
    context: typer.Context,
    name: NameArgument,
    config: ConfigOption = None,
    owner: Annotated[str, typer.Option("--owner", metavar="OWNER", help="Whose key it is [default: NAME].")] = "",
    models: Annotated[str, typer.Option("--models", metavar="A,B", help="Only these [default: all].")] = "",
    requests_per_minute: Annotated[
        int | None,
        typer.Option("--requests-per-minute", metavar="N", min=1, max=1_000_000, help="In any 60 seconds."),
    ] = None,
    tokens_per_day: Annotated[
        int | None, typer.Option("--tokens-per-day", metavar="N", min=1, help="Of prompts and answers.")
    ] = None,
    usd_per_day: Annotated[
        float | None, typer.Option("--usd-per-day", metavar="X", min=0.000001, help="At list prices.")
    ] = None,
) -> None:
    """Make a key and print it: once, since only a digest of it is kept.

    A running server knows it within a second. Days are those of UTC.
    """
    from yaoki.cli.keys import NewKey, create

    create(
        globals_of(context, config),
        NewKey(
            name=name,
            owner=owner or name,
            models=tuple(map(str.strip, models.split(","))) if models else None,
            requests_per_minute=requests_per_minute,
            tokens_per_day=tokens_per_day,
            usd_per_day=usd_per_day,
        ),
    )


@app.command("list")
def list_keys(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List keys, with their limits and what they have spent. Reads beside a running server."""
    from yaoki.cli.keys import print_keys

    print_keys(globals_of(context, config), as_json=as_json)


@app.command("revoke")
def revoke_key(context: typer.Context, name: NameArgument, config: ConfigOption = None) -> None:
    """Refuse a key from now on, for good. A running server knows it within a second."""
    from yaoki.cli.keys import revoke

    revoke(globals_of(context, config), name)
