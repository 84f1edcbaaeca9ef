"""Plays that are odd and healthy: the answer is whole, and a client that fails over has failed."""

import asyncio
import json
from collections.abc import Sequence

from yaoki.faults.raw_http import head
from yaoki.faults.reply import Json, Reply, Style

_AFTER_S = 0.01


async def styled(reply: Reply, style: Style) -> None:
    """A healthy answer in an unusual spelling."""
    reply.style = style
    reply.fire()
    await reply.healthy()


async def reasoning_first(reply: Reply, field: str) -> None:
    """Thinking, a word every `pause_s`, before the first word of the answer."""
    await reply.begin()
    reply.fire()
    for word in ("The ", "user ", "asks ", "about ", "ships. ", "Think ", "twice."):
        await asyncio.sleep(reply.script.pause_s)
        await reply.delta({field: word})
    await reply.say(reply.text[: reply.at])
    await reply.after()


async def filler_first(reply: Reply, filler: bytes) -> None:
    """Some keep-alive, a piece every `pause_s`, before the first word."""
    await reply.begin()
    reply.fire()
    for _ in range(4):
        await asyncio.sleep(reply.script.pause_s)
        await reply.raw(filler)
    await reply.say(reply.text[: reply.at])
    await reply.after()


async def between(reply: Reply, events: Sequence[Json]) -> None:
    """Chunks that say nothing in the middle of the answer."""
    await reply.before()
    reply.fire()
    for event in events:
        await reply.event({**reply.chunk({}), **event})
    await reply.after()


async def finish_with_text(reply: Reply, *, usage: bool = False) -> None:
    """The finish reason comes with the last text, maybe with the token counts too."""
    await reply.begin()
    reply.fire()
    last = reply.text.rpartition(" ")[2]
    await reply.say(reply.text[: len(reply.text) - len(last)])
    await reply.event({**reply.chunk({"content": last}, "stop"), **({"usage": reply.counts()} if usage else {})})
    await reply.done()
    await reply.end()


async def finish_word(reply: Reply, word: str) -> None:
    """Another word for "stop"."""
    reply.fire()
    await reply.before()
    await reply.after(word)


async def finish_twice(reply: Reply) -> None:
    """The finish reason, and again."""
    await _to_the_finish(reply)
    await reply.finish()
    await reply.done()
    await reply.end()


async def left_open(reply: Reply, *, done: bool = True) -> None:
    """The connection stays open after the end, and no last HTTP chunk comes."""
    await _to_the_finish(reply)
    if done:
        await reply.done()
    await reply.hold()


async def comments_after(reply: Reply, *, done: bool = True) -> None:
    """Keep-alive comments go on for ever after the end."""
    await _to_the_finish(reply)
    if done:
        await reply.done()
    while True:
        await asyncio.sleep(reply.script.pause_s)
        await reply.raw(b": keep-alive\n\n")


async def no_done(reply: Reply) -> None:
    """No `[DONE]`."""
    await _to_the_finish(reply)
    await reply.end()


async def after_finish(reply: Reply, data: bytes, *, how: str = "end") -> None:
    """Something else after the finish reason: an error, noise, a reset. The answer was whole."""
    await _to_the_finish(reply)
    await asyncio.sleep(_AFTER_S)
    if data:
        await reply.raw(data)
    match how:
        case "reset":
            reply.peer.reset()
        case "close":
            reply.peer.close()
        case _:
            await reply.end()


async def no_last_blank_line(reply: Reply) -> None:
    """The last event has no blank line after it."""
    await reply.before()
    await reply.say(reply.text[reply.at :])
    reply.fire()
    await reply.raw(f"data: {json.dumps(reply.chunk({}, 'stop'))}".encode())
    await reply.end()


async def whole_document(reply: Reply, *, blanks: int = 0) -> None:
    """A whole completion, although a stream was asked for; `blanks` keep-alive blanks come first."""
    reply.fire()
    await reply.peer.send(head(200, "application/json", {"transfer-encoding": "chunked"}))
    for _ in range(blanks):
        await asyncio.sleep(reply.script.pause_s)
        await reply.raw(b"\n")
    await reply.raw(json.dumps(reply.document()).encode())
    await reply.end()


async def one_write(reply: Reply) -> None:
    """Head and body in one write, with a content length."""
    reply.fire()
    chunks = [reply.chunk({"role": "assistant", "content": reply.text}), reply.chunk({}, "stop")]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + b"data: [DONE]\n\n"
    await reply.peer.send(head(200, "text/event-stream", {"content-length": str(len(body))}) + body)


async def trailers(reply: Reply) -> None:
    """Trailers after the last HTTP chunk."""
    await _to_the_finish(reply)
    await reply.done()
    await reply.peer.send(b"0\r\nx-tokens: 12\r\nx-checksum: abc\r\n\r\n")


async def says(reply: Reply, words: str) -> None:
    """The answer speaks of the protocol: these words are text."""
    reply.text = f"{reply.text[: reply.at]} {words} {reply.text[reply.at :].lstrip()}"
    reply.fire()
    await reply.healthy()


async def other_choices(reply: Reply) -> None:
    """A second choice that nobody asked for comes between."""
    await reply.before()
    reply.fire()
    for word in ("Something ", "else ", "entirely."):
        await reply.event(_second(reply.chunk({"content": word})))
    await reply.event(_second(reply.chunk({}, "stop")))
    await reply.after()


def each_chunk(**more: object) -> Style:
    """A style that adds fields to every chunk."""

    def decorate(chunk: Json) -> Json:
        return {**chunk, **more}

    return Style(decorate=decorate)


def each_choice(**more: object) -> Style:
    """A style that changes fields of every choice."""

    def decorate(chunk: Json) -> Json:
        return {**chunk, "choices": [{**choice, **more} for choice in chunk["choices"]]}

    return Style(decorate=decorate)


def each_delta(**more: object) -> Style:
    """A style that adds fields to every delta; a field that the delta has already wins."""

    def decorate(chunk: Json) -> Json:
        choices = [{**choice, "delta": {**more, **choice["delta"]}} for choice in chunk["choices"]]
        return {**chunk, "choices": choices}

    return Style(decorate=decorate)


def _second(chunk: Json) -> Json:
    return {**chunk, "choices": [{**chunk["choices"][0], "index": 1}]}


async def _to_the_finish(reply: Reply) -> None:
    await reply.before()
    await reply.say(reply.text[reply.at :])
    await reply.finish()
    reply.fire()
