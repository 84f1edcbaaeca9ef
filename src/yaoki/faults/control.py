"""Scripts as JSON, for whoever drives a provider from another process.

GET  /control    what happened: requests, fired faults, the scripts that are left
POST /control    one script, or {"scripts": [{"fault": "cut_mid_stream", "at": 40, "times": 1}, …]}: replaces them
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields, replace
from typing import Any, cast

from yaoki.errors import ConfigurationSettingError
from yaoki.faults.port import Route
from yaoki.faults.script import Script
from yaoki.faults.wire import Line, Request

PATH = "/control"


def control_route(state: Callable[[], dict[str, Any]], play: Callable[..., Awaitable[None]]) -> Route:
    """The route of a control port: `state` says what happened, `play` takes new scripts."""

    async def route(line: Line, request: Request) -> None:
        if request.path != PATH or request.method not in ("GET", "POST"):
            await line.answer(404, b"{}")
            return
        try:
            if request.method == "POST":
                await play(*scripts_from(request.json()))
        except ConfigurationSettingError as error:
            await line.answer(400, json.dumps({"error": error.message}).encode())
            return
        await line.answer(200, json.dumps(state()).encode())

    return route


def scripts_from(body: dict[str, Any]) -> list[Script]:
    """The scripts of a control request.

    Raises:
        ConfigurationSettingError: A field that no script has, or no script at all.
    """
    known = {f.name for f in fields(Script)}
    scripts = cast("list[dict[str, Any]]", body.get("scripts", [body]))
    for script in scripts:
        unknown = sorted(set(script) - known)
        if unknown:
            raise ConfigurationSettingError(f"A script has no {', '.join(unknown)}; it has {', '.join(sorted(known))}.")
    if not scripts:
        raise ConfigurationSettingError("There must be a script.")
    return [Script(**script) for script in scripts]


def plain(script: Script) -> dict[str, Any]:
    """A script as plain JSON values."""
    answer = script.answer if isinstance(script.answer, str) else "made from the request"
    return asdict(replace(script, answer=answer))
