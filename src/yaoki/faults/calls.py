"""Plays around tool calls. When the request brings a tool's result, they answer in words; a loop never does."""

import asyncio
import json
from typing import Any

from yaoki.faults.reply import Json, Reply

_HALF = '{"amount": 12, "currency": "EU'


async def call(reply: Reply, *, finish: str = "tool_calls", at_once: bool = False) -> None:
    """A healthy call; `at_once` sends it in one piece."""
    if _answered(reply):
        await reply.healthy()
        return
    await reply.begin()
    reply.fire()
    await _call(reply, _tool(reply), json.dumps(reply.script.arguments), size=1_000 if at_once else 7)
    await _finish(reply, finish)


async def call_of(reply: Reply, *, tool: str = "", arguments: str | None = None) -> None:
    """A call of a tool that does not exist, or with arguments that are not JSON."""
    if _answered(reply):
        await reply.healthy()
        return
    await reply.begin()
    reply.fire()
    await _call(reply, tool or _tool(reply), json.dumps(reply.script.arguments) if arguments is None else arguments)
    await _finish(reply, "tool_calls")


async def loop(reply: Reply) -> None:
    """The same call again, whatever came of it."""
    await reply.begin()
    reply.fire()
    await _call(reply, _tool(reply), json.dumps(reply.script.arguments))
    await _finish(reply, "tool_calls")


async def broken(reply: Reply, *, how: str, whole_first: bool = False) -> None:
    """The answer breaks off inside a call's arguments; `whole_first`: after another call that was whole."""
    if _answered(reply):
        await reply.healthy()
        return
    await reply.begin()
    if whole_first:
        await _call(reply, _tool(reply), json.dumps(reply.script.arguments))
    await _call(reply, _tool(reply), _HALF, index=int(whole_first))
    reply.fire()
    match how:
        case "length":
            await _finish(reply, "length")
        case "reset":
            reply.peer.reset()
        case "stall":
            await reply.hold()
        case _:
            await reply.end()


async def _call(reply: Reply, tool: str, arguments: str, *, index: int = 0, size: int = 7) -> None:
    head: Json = {"index": index, "id": f"call_{index}", "type": "function"}
    await _piece(reply, {**head, "function": {"name": tool, "arguments": ""}})
    for start in range(0, len(arguments), size):
        await asyncio.sleep(reply.script.token_s)
        await _piece(reply, {"index": index, "function": {"arguments": arguments[start : start + size]}})


async def _piece(reply: Reply, piece: dict[str, Any]) -> None:
    await reply.delta({"tool_calls": [piece]})


async def _finish(reply: Reply, reason: str) -> None:
    await reply.finish(reason)
    await reply.usage()
    await reply.done()
    await reply.end()


def _tool(reply: Reply) -> str:
    return reply.script.tool or next(iter(reply.request.tools), "charge")


def _answered(reply: Reply) -> bool:
    """The last word is a tool's: it is time to speak."""
    messages = reply.request.messages
    return bool(messages) and messages[-1].get("role") == "tool"
