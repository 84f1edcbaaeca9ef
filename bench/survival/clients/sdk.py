"""The openai SDK, as it is: on a provider, on Yaoki's base URL, or on Portkey's gateway."""

from typing import Any

from openai import AsyncOpenAI

from bench.survival.asking import MAX_TOKENS, QUESTION, TIMEOUT_S, TOOL, Cell, Heard
from bench.survival.clients.openai_client import openai_client
from bench.survival.clients.streams import take

_PATIENT_S = 10.0
"""Until a gateway's next byte: it has deadlines of its own, and time to act on them."""
_WHOLE_S = 30.0
"""Until a whole answer, of which nothing comes before its end."""


async def bare(cell: Cell, heard: Heard) -> None:
    """Streamed, straight from the provider."""
    await _streamed(cell, heard, TIMEOUT_S)


async def streamed(cell: Cell, heard: Heard) -> None:
    """Streamed, from a gateway."""
    await _streamed(cell, heard, _PATIENT_S)


async def whole(cell: Cell, heard: Heard) -> None:
    """Not streamed, from a gateway."""
    async with _client(cell, _WHOLE_S) as client:
        done = await client.chat.completions.create(**_request(cell))
    choice = done.choices[0]
    heard.text, heard.finish = choice.message.content or "", choice.finish_reason
    heard.refusal = choice.message.refusal or ""
    heard.calls = [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]


async def _streamed(cell: Cell, heard: Heard, timeout_s: float) -> None:
    async with _client(cell, timeout_s) as client:
        await take(await client.chat.completions.create(**_request(cell), stream=True), heard)


def _client(cell: Cell, timeout_s: float) -> AsyncOpenAI:
    client = openai_client(cell.base_url, timeout_s)
    return client.with_options(max_retries=0, default_headers=cell.headers) if cell.gateway else client


def _request(cell: Cell) -> dict[str, Any]:
    tools = {"tools": [TOOL]} if cell.tool else {}
    messages = [{"role": "user", "content": QUESTION}]
    return {"model": cell.model, "messages": messages, "max_tokens": MAX_TOKENS, **tools}
