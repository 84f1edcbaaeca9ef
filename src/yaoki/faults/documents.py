"""What the faults of streams become for an answer that is given in one piece: the nearest that a document can do."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial

from yaoki.faults.cuts import document as cut
from yaoki.faults.raw_http import head
from yaoki.faults.refusals import error_body
from yaoki.faults.reply import Json, Reply
from yaoki.faults.table import Fault

_TOO_MANY = 400
_LATE = ("slow_first_byte", "slow_first_token", "hiccup")


async def play(reply: Reply, fault: Fault) -> None:
    """Play a fault for a request that is, or is not, streamed."""
    if reply.request.streamed or fault.whole:
        await fault.play(reply)
    elif fault.name in _LATE:
        reply.fire()
        await asyncio.sleep(reply.script.pause_s)
        await _whole(reply)
    elif fault.healthy:
        reply.fire()
        await _whole(reply)
    else:
        await _BY_ROW.get(fault.row, cut)(reply)


async def _whole(reply: Reply) -> None:
    await _send(reply, reply.document())


async def _stalls(reply: Reply) -> None:
    """Half a document, then silence."""
    body = json.dumps(reply.document()).encode()
    await reply.peer.send(head(200, "application/json", {"content-length": str(len(body))}) + body[: len(body) // 2])
    reply.fire()
    await reply.hold()


async def _resets(reply: Reply) -> None:
    """Half a document, then a reset."""
    body = json.dumps(reply.document()).encode()
    await reply.peer.send(head(200, "application/json", {"content-length": str(len(body))}) + body[: len(body) // 2])
    reply.fire()
    reply.peer.reset()


async def _error(reply: Reply) -> None:
    """An error inside a 200."""
    reply.fire()
    await _send(reply, error_body("Scripted.", type="server_error"))


async def _no_json(reply: Reply) -> None:
    """A body of the right length that ends inside its JSON."""
    reply.fire()
    body = json.dumps(reply.document()).encode()
    await reply.peer.answer(200, body[: len(body) * 2 // 3])


async def _says(reply: Reply, words: Callable[[Reply], str], reason: str) -> None:
    """A whole document with other words, or another end."""
    reply.fire()
    await _send(reply, reply.document(reason, {"role": "assistant", "content": words(reply)}))


async def _send(reply: Reply, body: Json) -> None:
    await reply.peer.answer(200, json.dumps(body, ensure_ascii=False).encode())


def _half(reply: Reply) -> str:
    return reply.text[: reply.at]


_BY_ROW: dict[str, Callable[[Reply], Awaitable[None]]] = {
    "M9": _stalls,
    "M10": _stalls,
    "M12": _resets,
    "M13": _error,
    "M14": _no_json,
    "M15": partial(_says, words=lambda _: "", reason="stop"),
    "M17": partial(_says, words=lambda reply: _half(reply) + " over and over" * _TOO_MANY, reason="length"),
    "M18": partial(_says, words=_half, reason="length"),
    "M19": partial(_says, words=_half, reason="content_filter"),
}
"""By row of the fault list; any other fault cuts the document at the same share of its length."""
