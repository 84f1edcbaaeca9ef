"""Plays that keep a client waiting. Unless a summary says otherwise they go on until the client leaves."""

import asyncio

from yaoki.faults.reply import Json, Reply


async def never_answers(reply: Reply) -> None:
    """The request is taken, and no byte comes back."""
    reply.fire()
    await reply.hold()


async def slow_first_byte(reply: Reply) -> None:
    """No byte for `pause_s`, then a healthy answer."""
    reply.fire()
    await asyncio.sleep(reply.script.pause_s)
    await reply.healthy()


async def slow_first_token(reply: Reply) -> None:
    """Head and role at once, the first text after `pause_s`."""
    await reply.begin()
    reply.fire()
    await asyncio.sleep(reply.script.pause_s)
    await reply.say(reply.text[: reply.at])
    await reply.after()


async def trickling_head(reply: Reply) -> None:
    """A header line every `pause_s`, and never the end of the head."""
    reply.fire()
    await reply.peer.send(b"HTTP/1.1 200 OK\r\n")
    count = 0
    while True:
        await asyncio.sleep(reply.script.pause_s)
        count += 1
        await reply.peer.send(f"x-still-here-{count}: yes\r\n".encode())


async def comments_only(reply: Reply, *, started: bool) -> None:
    """Keep-alive comments and no (further) token."""
    await (reply.before() if started else reply.begin())
    await trickle(reply, b": keep-alive\n\n")


async def unfinished_comment(reply: Reply) -> None:
    """One comment that grows by a byte at a time."""
    await reply.begin()
    await reply.raw(b": ")
    await trickle(reply, b".")


async def empty_deltas_only(reply: Reply, delta: Json) -> None:
    """Well-formed chunks that say nothing."""
    await reply.begin()
    reply.fire()
    while True:
        await asyncio.sleep(reply.script.pause_s)
        await reply.delta(delta)


async def blank_document(reply: Reply) -> None:
    """Blanks before a JSON document that never begins."""
    await reply.head()
    await trickle(reply, b" \n")


async def stall_mid_stream(reply: Reply) -> None:
    """Text up to `at`, then silence."""
    await reply.before()
    reply.fire()
    await reply.hold()


async def stall_in_event(reply: Reply) -> None:
    """Text up to `at`, half an event, then silence."""
    await reply.before()
    reply.fire()
    await reply.raw(b'data: {"id": "chatcmpl-half", "choices": [{"index": 0, "del')
    await reply.hold()


async def slow_drip(reply: Reply) -> None:
    """Text up to `at`, then a character every `pause_s`, without end."""
    await reply.before()
    reply.fire()
    rest = reply.text[reply.at :] or "."
    while True:
        for character in rest:
            await asyncio.sleep(reply.script.pause_s)
            await reply.delta({"content": character})


async def hiccup(reply: Reply) -> None:
    """A pause of `pause_s` in the middle of a healthy answer."""
    await reply.before()
    reply.fire()
    await asyncio.sleep(reply.script.pause_s)
    await reply.after()


async def trickle(reply: Reply, data: bytes) -> None:
    """The same bytes every `pause_s`, for ever."""
    reply.fire()
    while True:
        await asyncio.sleep(reply.script.pause_s)
        await reply.raw(data)
