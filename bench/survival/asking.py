"""Asks the questions of one subject, in that subject's own environment, and prints what was heard.

`python -m bench.survival.asking MODULE:FUNCTION` reads cells as JSON from stdin, and writes a line of JSON for each.
A client is `async def ask(cell, heard)`: it notes text and calls as they come, and raises what its library raises.
"""

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO

TIMEOUT_S = 3.0
"""What every client allows its users to set is set to this: seconds until a provider's next byte."""
DEADLINE_S = 15.0
"""Seconds for a whole answer, where a subject has a setting for that."""
MAX_TOKENS = 400
"""What every client asks for at most; an answer has about 80, and a broken provider does not obey."""
QUESTION = "How many ships?"
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "charge",
        "parameters": {
            "type": "object",
            "properties": {"amount": {"type": "integer"}, "currency": {"type": "string"}},
            "required": ["amount", "currency"],
        },
    },
}
_AT_ONCE = 6
_SLOT_S = 2.0
"""How long a question keeps others from being asked: whoever still waits then takes no processor time."""
_CLOSING_S = 2.0
_LONGEST_TEXT = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One question.

    Attributes:
        id: Names it in the answer.
        base_url: Of the faulty provider, or of the gateway before it.
        model: What is asked for.
        fallback_url: Of the healthy provider behind it.
        headers: What a gateway wants besides.
        gateway: There is one, so retries are its business.
        tool: A tool is on offer, and is meant to be called.
        bound_s: Seconds after which it hangs.
        alone: Nothing else is asked meanwhile, since its fault takes all of a core.
    """

    id: str
    base_url: str
    model: str
    fallback_url: str
    headers: dict[str, str]
    gateway: bool
    tool: bool
    bound_s: float
    alone: bool


@dataclass(slots=True, kw_only=True)
class Heard:
    """What the user's program ended up with.

    Attributes:
        text: What was shown, in the order it was shown.
        calls: Name and arguments of each tool call that was handed over as whole, or run.
        finish: The finish reason, where the client has one to show.
        refusal: What the model refused with.
        raised: The type of what was raised.
        because: Its message.
        hung: It had not ended when the bound passed.
        seconds: From the question to the end.
    """

    text: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    finish: str | None = None
    refusal: str = ""
    raised: str | None = None
    because: str = ""
    hung: bool = False
    seconds: float = 0.0


Ask = Callable[[Cell, Heard], Awaitable[None]]


async def hear(ask: Ask, cell: Cell, room: asyncio.Semaphore) -> Heard:
    """Ask as soon as there is room, and wait no longer than the cell's bound."""
    heard, loop = Heard(), asyncio.get_running_loop()
    async with room:
        began = loop.time()
        task = asyncio.ensure_future(ask(cell, heard))
        await asyncio.wait({task}, timeout=_SLOT_S)
    await asyncio.wait({task}, timeout=began + cell.bound_s - loop.time())
    heard.seconds = round(loop.time() - began, 2)
    heard.hung = not task.done()
    if heard.hung:
        task.cancel()
        await asyncio.wait({task}, timeout=_CLOSING_S)
    elif task.cancelled():
        heard.raised = "CancelledError"
    elif (error := task.exception()) is not None:
        heard.raised, heard.because = type(error).__name__, str(error)[:500]
    heard.text = heard.text[:_LONGEST_TEXT]
    return heard


async def hear_all(ask: Ask, cells: list[Cell], out: TextIO) -> None:
    """A line for each cell, as it is done: many at once, and in the end those that must be alone."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(cell: Cell) -> None:
        heard = await hear(ask, cell, room)
        print(json.dumps({"id": cell.id, **asdict(heard)}), file=out, flush=True)

    await asyncio.gather(*(one(cell) for cell in cells if not cell.alone))
    for cell in cells:
        if cell.alone:
            await one(cell)


def client(name: str) -> Ask:
    """The client that is called `module:function`."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"bench.survival.clients.{module}"), function)


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    cells = [Cell(**cell) for cell in json.load(sys.stdin)]
    asyncio.run(hear_all(client(sys.argv[1]), cells, out))
    out.flush()
    os._exit(0)  # a library's own threads and unclosed streams have nothing more to say


if __name__ == "__main__":
    main()
