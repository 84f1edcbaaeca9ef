"""Judged chunks of an OpenAI stream as deltas. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from yaoki.errors import ModelMalformedError
from yaoki.llm.deltas import Delta, Finish, FinishReason, Reasoning, Text, ToolCall, ToolCallPiece, Usage
from yaoki.llm.streams.chat_stream import Chunk

REFUSAL = "refusal"
_BESIDE = ("reasoning_content", "reasoning", REFUSAL)
"""Fields of a delta that are life, and not the answer."""
_OWN = ("index", "id", "type", "function", "custom")


@dataclass(slots=True)
class _Call:
    id: object
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])
    details: dict[str, Any] = field(default_factory=dict[str, Any])


class WireDeltas:
    """Follows one response. `Reasoning.details` names the field that a piece came in; a refusal is one of them.

    Args:
        offered: There are tools to call. Where there are none, a call is no sign of life and is dropped; an answer that
            ends in one has not ended.
    """

    __slots__ = ("_calls", "_finish", "_latest", "_offered", "_refused", "_usage")

    def __init__(self, *, offered: bool = True) -> None:
        self._offered = offered
        self._calls: list[_Call] = []
        self._latest: dict[object, _Call] = {}
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None
        self._refused = False

    def take(self, chunks: list[Chunk]) -> Iterator[Delta]:
        """The signs of life in some chunks; neighbouring texts are one.

        Raises:
            ModelMalformedError: A tool call has another shape than one.
        """
        texts: list[str] = []
        for chunk in chunks:
            self._count(chunk.get("usage"))
            for choice in chunk["choices"]:
                self._finish = choice.get("finish_reason") or self._finish
                delta: dict[str, Any] = choice.get("delta") or {}
                content = delta.get("content")
                if content:
                    texts.append(content if isinstance(content, str) else _plain(content))
                if len(delta) > 1 or not content:
                    for beside in self._beside(delta):
                        if texts:  # it came before
                            yield Text("".join(texts))
                            texts.clear()
                        yield beside
        if text := "".join(texts):
            yield Text(text)

    def ending(self) -> Iterator[Delta]:
        """What is only known once the terminator was seen: whole tool calls, usage, the finish.

        Raises:
            ModelMalformedError: A tool call has no name, or nobody had offered a tool.
        """
        if self._finish == "tool_calls" and not self._offered:
            raise ModelMalformedError("The model called a tool, and none was offered.", fault="unasked_call")
        for call in self._calls:
            if not call.name:
                raise _misshapen()
            yield ToolCall(call.name, "".join(call.arguments), details=call.details or None)
        if self._usage is not None:
            yield self._usage
        if self._finish is not None:
            yield Finish("content_filter" if self._refused and self._finish == "stop" else self._finish)

    def _beside(self, delta: dict[str, Any]) -> Iterator[Delta]:
        for name in _BESIDE:
            text = delta.get(name)
            if text and isinstance(text, str):
                self._refused = self._refused or name == REFUSAL
                yield Reasoning(text, name)
        for piece in (delta.get("tool_calls") or ()) if self._offered else ():
            yield self._call(piece)

    def _call(self, piece: object) -> Delta:
        if not isinstance(piece, dict):
            raise _misshapen()
        facts = cast("dict[str, Any]", piece)
        wanted: object = facts.get("function") or facts.get("custom") or {}
        if not isinstance(wanted, dict):
            raise _misshapen()
        function = cast("dict[str, Any]", wanted)
        call = self._call_at(facts.get("index"), facts.get("id"))
        name: object = function.get("name") or ""
        arguments: object = function.get("arguments") or function.get("input") or ""
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments)
        if not (isinstance(name, str) and isinstance(arguments, str)):
            raise _misshapen()
        call.name = call.name or name
        call.arguments.append(arguments)
        call.details.update({key: value for key, value in facts.items() if key not in _OWN})
        if "custom" in facts:
            call.details["type"] = "custom"
        return ToolCallPiece(len(arguments))

    def _call_at(self, index: object, call_id: object) -> _Call:
        """The call that a piece belongs to: some providers number none, others number all of them 0."""
        call = self._latest.get(index)
        if call is None or (call_id and call.id and call_id != call.id):
            call = _Call(call_id)
            self._calls.append(call)
            self._latest[index] = call
        return call

    def _count(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        counts = cast("dict[str, Any]", usage)
        asked, said = counts.get("prompt_tokens"), counts.get("completion_tokens")
        if isinstance(asked, int) and isinstance(said, int):
            self._usage = Usage(asked, said, counts)


def _plain(content: list[Any]) -> str:
    parts = (cast("dict[str, Any]", part) for part in content if isinstance(part, dict))
    texts = (part.get("text") for part in parts if part.get("type", "text") == "text")
    return "".join(text for text in texts if isinstance(text, str))


def _misshapen() -> ModelMalformedError:
    return ModelMalformedError("The provider sent a tool call of another shape.", fault="bad_tool_call")
