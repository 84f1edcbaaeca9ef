"""Plays that say something which is no answer in the middle of one. What follows, if anything, must not be believed."""

from typing import Any

from yaoki.faults.raw_http import head
from yaoki.faults.reply import Json, Reply


async def error_event(reply: Reply, error: Any, *, name: str = "", started: bool = True) -> None:
    """An error inside a 200; `name` is the event's own name."""
    await (reply.before() if started else reply.begin())
    reply.fire()
    if name:
        await reply.raw(f"event: {name}\n".encode())
    await reply.event(error)
    await reply.done()
    await reply.end()


async def error_in_chunk(reply: Reply) -> None:
    """An error beside the choices, with a finish reason of its own."""
    await reply.before()
    reply.fire()
    await reply.event({**reply.chunk({"content": ""}, "error"), "error": {"code": 502, "message": "upstream failed"}})
    await reply.done()
    await reply.end()


async def bytes_then_rest(reply: Reply, data: bytes) -> None:
    """Bytes that do not belong there; then the stream goes on as if nothing had happened."""
    await reply.before()
    reply.fire()
    await reply.raw(data)
    await reply.after()


async def event_then_rest(reply: Reply, event: Json | str) -> None:
    """An event of the wrong shape; then the stream goes on as if nothing had happened."""
    await reply.before()
    reply.fire()
    await reply.event(event)
    await reply.after()


async def huge_event(reply: Reply) -> None:
    """An event of two megabytes."""
    await reply.before()
    reply.fire()
    await reply.event(reply.chunk({"content": "", "padding": "x" * 2_000_000}))
    await reply.after()


async def endless_event(reply: Reply) -> None:
    """An event that grows without an end of line, as fast as it is taken."""
    await reply.before()
    reply.fire()
    await reply.raw(b'data: {"choices": [{"index": 0, "delta": {"content": "')
    while True:
        await reply.raw(b"more " * 4_000)


async def bad_chunk_size(reply: Reply) -> None:
    """An HTTP chunk whose size is no number."""
    await reply.before()
    reply.fire()
    await reply.peer.send(b"zz\r\nnot a chunk\r\n")
    await reply.after()


async def second_head(reply: Reply) -> None:
    """Another response's head in the middle of the body."""
    await reply.before()
    reply.fire()
    await reply.peer.send(head(502, "text/html", {"content-length": "0"}))
    reply.peer.close()


async def not_gzip(reply: Reply) -> None:
    """The head promises gzip, the body is none."""
    reply.fire()
    await reply.head(headers={"content-encoding": "gzip"})
    await reply.say(reply.text)
    await reply.finish()
    await reply.done()
    await reply.end()
