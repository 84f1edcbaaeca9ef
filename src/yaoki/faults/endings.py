"""Plays whose end is the fault: nothing said, no end at all, or an end that is not "stop"."""

import asyncio
import itertools

from yaoki.faults.reply import Reply


async def empty(reply: Reply, *, said: str = "", reasoning: str = "") -> None:
    """A healthy end after nothing, blanks, or thinking alone."""
    await reply.begin()
    reply.fire()
    if reasoning:
        await reply.delta({"reasoning_content": reasoning})
    if said:
        await reply.say(said)
    await reply.finish()
    await reply.usage()
    await reply.done()
    await reply.end()


async def done_only(reply: Reply) -> None:
    """`[DONE]`, and nothing before it."""
    reply.fire()
    await reply.head()
    await reply.done()
    await reply.end()


async def empty_body(reply: Reply) -> None:
    """A 200 without a body."""
    reply.fire()
    await reply.peer.answer(200, b"", content_type="text/event-stream")


async def endless(reply: Reply, words: str = "", *, field: str = "content") -> None:
    """Text up to `at`, then more without end: these words over and over, or new numbers.

    Blanks begin after a whole word: after half of one they would say that it is whole, and nobody could know better.
    """
    if words.isspace():
        end = reply.text.find(" ", reply.at)
        reply.at = end if end >= 0 else len(reply.text)
    await (reply.before() if field == "content" else reply.begin())
    reply.fire()
    for number in itertools.count(1):
        await asyncio.sleep(reply.script.token_s)
        await reply.delta({field: words or f" and {number}"})


async def ended(reply: Reply, reason: str, *, started: bool = True) -> None:
    """A finish reason of its own after the text up to `at`."""
    await (reply.before() if started else reply.begin())
    reply.fire()
    await reply.finish(reason)
    await reply.usage()
    await reply.done()
    await reply.end()


async def refusal(reply: Reply) -> None:
    """The model refuses in the field that OpenAI has for it."""
    await reply.begin()
    reply.fire()
    await reply.delta({"refusal": "I can't help with that."})
    await reply.finish("content_filter")
    await reply.done()
    await reply.end()
