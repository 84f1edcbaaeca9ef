"""Answers in OpenAI's shapes, as bytes. Built by hand: a chunk costs a few microseconds."""

import json
from collections.abc import Iterable
from typing import Any

from yaoki.api.v1.request import Asked
from yaoki.api.v1.told import Told, mapping
from yaoki.llm.deltas import Reasoning, ToolCall

KEEP_ALIVE = b": waiting for a model\n\n"
DONE = b"data: [DONE]\n\n"
_REFUSAL = "refusal"
_encode = json.dumps  # ASCII: a lone surrogate, which a model may write, has no UTF-8


def document(asked: Asked, answer_id: str, created: int, told: Told) -> bytes:
    """A whole answer."""
    content = "".join(told.text) or (None if told.calls or _REFUSAL in told.beside else "")
    message: dict[str, Any] = {"role": "assistant", "content": content, _REFUSAL: None, **told.beside}
    if told.calls:
        message["tool_calls"] = [_call(call) for call in told.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": told.reason()}
    stamp = {"id": answer_id, "object": "chat.completion", "created": created, "model": asked.model}
    return _encode({**stamp, "choices": [choice], "usage": told.counts(), "yaoki": told.story()}).encode()


class Chunks:
    """Chunks of one streamed answer."""

    __slots__ = ("_begun", "_head", "_stamp", "_tail", "_wants_usage")

    def __init__(self, asked: Asked, answer_id: str, created: int) -> None:
        stamp = {"id": answer_id, "object": "chat.completion.chunk", "created": created, "model": asked.model}
        self._stamp = stamp
        self._wants_usage = asked.wants_usage
        self._begun = False
        self._head = f'data: {_encode(stamp)[:-1]}, "choices": [{{"index": 0, "delta": {{'
        usage = ', "usage": null' if asked.wants_usage else ""
        self._tail = f'}}, "logprobs": null, "finish_reason": null}}]{usage}}}\n\n'

    def text(self, text: str) -> bytes:
        """A piece of the answer."""
        return self._delta(f'"content": {_encode(text)}')

    def beside(self, item: Reasoning) -> bytes:
        """A piece of something else, under the name by which it came."""
        name = item.details if isinstance(item.details, str) else "reasoning_content"
        return self._delta(f"{_encode(name)}: {_encode(item.text)}")

    def ending(self, told: Told) -> bytes:
        """Calls, the finish reason, the counts if they are wanted, and the end."""
        calls = b"".join(
            self._delta(f'"tool_calls": {_encode([{"index": at, **_call(call)}])}')
            for at, call in enumerate(told.calls)
        )
        story = {"yaoki": told.story()}
        choice: dict[str, Any] = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": told.reason()}
        events: list[dict[str, Any]] = [{**self._stamp, "choices": [choice], **story}]
        if self._wants_usage:
            events[0]["usage"] = None
            events.append({**self._stamp, "choices": [], "usage": told.counts(), **story})
        return calls + b"".join(map(event, events)) + DONE

    def _delta(self, field: str) -> bytes:
        role = "" if self._begun else '"role": "assistant", '
        self._begun = True
        return f"{self._head}{role}{field}{self._tail}".encode()


def models_document(names: Iterable[str], created: int) -> bytes:
    """The list of models."""
    return _encode({"object": "list", "data": [model_card(name, created) for name in names]}).encode()


def model_card(name: str, created: int) -> dict[str, Any]:
    """One model."""
    return {"id": name, "object": "model", "created": created, "owned_by": "yaoki"}


def event(body: object) -> bytes:
    """Any JSON as an event."""
    return f"data: {_encode(body)}\n\n".encode()


def _call(call: ToolCall) -> dict[str, Any]:
    details = mapping(call.details)
    if details.get("type") == "custom":
        return {**details, "id": call.call_id, "custom": {"name": call.name, "input": call.arguments}}
    own = {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
    return {**details, **own}
