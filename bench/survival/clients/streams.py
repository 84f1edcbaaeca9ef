"""Streams of chunks in OpenAI's shape, whoever hands them out."""

from collections.abc import AsyncIterable
from typing import Any

from bench.survival.asking import Heard


async def take(stream: AsyncIterable[Any], heard: Heard) -> None:
    """Note what comes, as it comes; calls in the end, when the stream has said that they are whole."""
    calls: dict[int, list[str]] = {}
    async for chunk in stream:
        for choice in chunk.choices or ():
            if choice.index == 0:
                _take(choice, heard, calls)
    heard.calls = [(name, arguments) for name, arguments in calls.values()]


def _take(choice: Any, heard: Heard, calls: dict[int, list[str]]) -> None:
    heard.text += choice.delta.content or ""
    heard.refusal += getattr(choice.delta, "refusal", None) or ""
    heard.finish = choice.finish_reason or heard.finish
    for piece in choice.delta.tool_calls or ():
        call = calls.setdefault(piece.index, ["", ""])
        call[0] += piece.function.name or ""
        call[1] += piece.function.arguments or ""
