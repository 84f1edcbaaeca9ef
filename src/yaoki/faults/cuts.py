"""Plays that break off: the answer ends, and nothing says that it is whole."""

import json

from yaoki.faults.raw_http import head
from yaoki.faults.reply import Reply, Style

_ASTRAL = "👩‍🚀"


async def ends(reply: Reply, *, how: str = "end") -> None:
    """Text up to `at`, then the body ends, the connection closes, or it is reset."""
    await reply.before()
    await _leave(reply, how)


async def before_first_token(reply: Reply, *, how: str = "end") -> None:
    """Head and role, then the end."""
    await reply.begin()
    await _leave(reply, how)


async def after_reasoning(reply: Reply, *, how: str = "end") -> None:
    """Some thinking, then the end."""
    await reply.begin()
    for word in ("The user ", "wants to know. ", "Let me think"):
        await reply.delta({"reasoning_content": word})
    await _leave(reply, how)


async def after_last_word(reply: Reply) -> None:
    """The whole text, then the end: only the finish reason is missing."""
    await reply.begin()
    await reply.say(reply.text)
    await _leave(reply, "end")


async def without_framing(reply: Reply) -> None:
    """A body told by its closing closes early: no byte shows that something is missing."""
    reply.style = Style(framing="close")
    await reply.before()
    await _leave(reply, "end")


async def in_event(reply: Reply, *, how: str = "end") -> None:
    """The end comes inside an event's JSON."""
    await reply.before()
    event = f"data: {json.dumps(reply.chunk({'content': reply.text[reply.at : reply.at + 6]}))}"
    await reply.raw(event[: len(event) * 3 // 4].encode())
    await _leave(reply, how)


async def in_character(reply: Reply, *, how: str = "end") -> None:
    """The end comes inside a character of four bytes."""
    await reply.before()
    event = f"data: {json.dumps(reply.chunk({'content': _ASTRAL}), ensure_ascii=False)}".encode()
    await reply.raw(event[: event.index(_ASTRAL.encode()) + 2])
    await _leave(reply, how)


async def in_http_chunk(reply: Reply) -> None:
    """The connection closes inside an HTTP chunk."""
    await reply.before()
    reply.fire()
    await reply.peer.send(b'400\r\ndata: {"id": "chatcmpl-half"')
    reply.peer.close()


async def done_without_finish(reply: Reply) -> None:
    """`[DONE]` without a finish reason."""
    await reply.before()
    reply.fire()
    await reply.done()
    await reply.end()


async def usage_without_finish(reply: Reply) -> None:
    """Token counts and `[DONE]` without a finish reason."""
    await reply.before()
    reply.fire()
    await reply.event({**reply.chunk({}), "choices": [], "usage": reply.counts()})
    await reply.done()
    await reply.end()


async def wrong_length(reply: Reply, *, extra: int) -> None:
    """A content length that is `extra` bytes off; the body has no finish reason."""
    reply.fire()
    events = [reply.chunk({"role": "assistant", "content": ""}), reply.chunk({"content": reply.text[: reply.at]})]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    await reply.peer.send(head(200, "text/event-stream", {"content-length": str(len(body) + extra)}) + body)
    reply.peer.close()


async def broken_finish(reply: Reply, word: str) -> None:
    """A finish reason that says that the answer was broken off."""
    await reply.before()
    reply.fire()
    await reply.finish(word)
    await reply.done()
    await reply.end()


async def document(reply: Reply) -> None:
    """What a fault of streams becomes where no stream was asked for: a document cut at the same share of its length."""
    body = json.dumps(reply.document(), ensure_ascii=False).encode()
    share = reply.at / max(1, len(reply.text))
    await reply.peer.send(head(200, "application/json", {"content-length": str(len(body))}))
    await reply.peer.send(body[: int((len(body) - 1) * share)])
    await _leave(reply, "close")


async def _leave(reply: Reply, how: str) -> None:
    reply.fire()
    match how:
        case "reset":
            reply.peer.reset()
        case "close":
            reply.peer.close()
        case _:
            await reply.end()
