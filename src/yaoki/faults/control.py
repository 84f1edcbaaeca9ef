"""A control port: JSON for whoever drives a provider or a proxy from another process.

GET  /control    what happened so far: what was asked for, what fired, what is in force
POST /control    what is to happen from now on; the answer is the same as to a GET

A provider takes one script, or {"scripts": [{"fault": "cut_mid_stream", "at": 40, "times": 1}, …]}. A proxy takes a
link, {"down": {"cut_after": 4000}, "times": 1}; or {"now": "cut"}, or "reset", for the connections that are open.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields, replace
from typing import Any, cast

from yaoki.errors import ConfigurationSettingError
from yaoki.faults.http_listener import Route
from yaoki.faults.raw_http import Connection, Request
from yaoki.faults.script import Script

PATH = "/control"


def control_route(state: Callable[[], dict[str, Any]], obey: Callable[[dict[str, Any]], Awaitable[None]]) -> Route:
    """The route of a control port: `state` says what happened, `obey` takes the body of a POST."""

    async def route(peer: Connection, request: Request) -> None:
        if request.path != PATH or request.method not in ("GET", "POST"):
            await peer.answer(404, b"{}")
            return
        try:
            if request.method == "POST":
                await obey(request.json())
        except ConfigurationSettingError as error:
            await peer.answer(400, json.dumps({"error": error.message}).encode())
            return
        await peer.answer(200, json.dumps(state()).encode())

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
