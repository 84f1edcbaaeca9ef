"""Answers in OpenAI's shapes, as bytes. Built by hand: a chunk costs a few microseconds."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote

from yaoki.api.openai_request import Asked
from yaoki.llm.deltas import (
    Continuation,
    Failover,
    Finish,
    FinishReason,
    Item,
    Reasoning,
    Restart,
    Text,
    ToolCall,
    Usage,
)

KEEP_ALIVE = b": waiting for a model\n\n"
DONE = b"data: [DONE]\n\n"
_REFUSAL = "refusal"
_HEADER_SAFE = " !#$&'()*+,/:;=?@[]~"
_encode = json.dumps  # ASCII: a lone surrogate, which a model may write, has no UTF-8


@dataclass(slots=True)
class Told:
    """What the chain has said about one answer.

    Attributes:
        text: What stands, all attempts together.
        beside: What came beside the text, by the field it came in.
        models: Who wrote the answer, in order.
    """

    text: list[str] = field(default_factory=list[str])
    beside: dict[str, str] = field(default_factory=dict[str, str])
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    models: list[str] = field(default_factory=list[str])
    failovers: list[Failover] = field(default_factory=list[Failover])
    continued: int = 0
    restarted: int = 0
    usage: Usage | None = None
    finish: FinishReason | None = None

    def take(self, item: Item) -> None:
        """Take an item of the chain."""
        match item:
            case Text():
                self.text.append(item.text)
                self._wrote(item.model)
            case Reasoning():
                name = item.details if isinstance(item.details, str) else "reasoning_content"
                self.beside[name] = self.beside.get(name, "") + item.text
            case ToolCall():
                self.calls.append(item)
            case Usage():
                self.usage = item
            case Finish():
                self.finish = item.reason
                self._wrote(item.model)
            case Failover():
                self.failovers.append(item)
                self.beside.clear()
            case Continuation():
                self.continued += 1
            case Restart():
                self.restarted += 1
                self.text.clear()
                self.models.clear()
            case _:
                pass

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What is known so far, as headers."""
        models = ", ".join(quote(name, safe=_HEADER_SAFE) for name in self.models).encode()
        return [
            *([(b"x-yaoki-model", models)] if models else ()),
            (b"x-yaoki-failovers", b"%d" % len(self.failovers)),
            (b"x-yaoki-continued", b"%d" % self.continued),
            (b"x-yaoki-cached", b"false"),
        ]

    def story(self) -> dict[str, Any]:
        """The same for the last chunk, and for a whole answer's body."""
        return {
            "models": self.models,
            "failovers": [
                {"from": one.from_model, "to": one.to_model, "kind": one.kind, "at_char": one.at_char}
                for one in self.failovers
            ],
            "continued": self.continued,
            "restarted": self.restarted,
            "cached": False,
        }

    def counts(self) -> dict[str, Any] | None:
        """Token counts in OpenAI's words; those of the last model where several wrote."""
        if self.usage is None:
            return None
        own = _mapping(self.usage.details)
        asked, said = self.usage.input_tokens, self.usage.output_tokens
        return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said, **own}

    def reason(self) -> str | None:
        """The finish reason, as OpenAI would give it."""
        return "tool_calls" if self.calls and self.finish == "stop" else self.finish

    def _wrote(self, model: str) -> None:
        if model and (not self.models or self.models[-1] != model):
            self.models.append(model)


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
    details = _mapping(call.details)
    if details.get("type") == "custom":
        return {**details, "id": call.call_id, "custom": {"name": call.name, "input": call.arguments}}
    own = {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
    return {**details, **own}


def _mapping(details: object) -> dict[str, Any]:
    return cast("dict[str, Any]", details) if isinstance(details, dict) else {}
