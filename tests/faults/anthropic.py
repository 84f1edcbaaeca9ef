"""A scripted provider that speaks Anthropic's messages, over real sockets: the least of it that faults need."""

import asyncio
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from yaoki.faults import ANSWER
from yaoki.faults.http_listener import HOST, HttpListener
from yaoki.faults.raw_http import Connection, Request, chunked, head
from yaoki.faults.script import PROBE, quoted, tokens

STATUSES = {
    "overloaded": (529, "overloaded_error"),
    "rate_limited": (429, "rate_limit_error"),
    "unauthorized": (401, "authentication_error"),
    "bad_request": (400, "invalid_request_error"),
    "too_long": (400, "invalid_request_error"),
    "broken": (500, "api_error"),
}
_MESSAGES = {"too_long": "prompt is too long: 210000 tokens > 200000 maximum"}


@dataclass(slots=True, kw_only=True)
class Says:
    """One behaviour.

    Attributes:
        fault: A name of `STATUSES`, or cut, reset, error, stall, stop_without_reason, left_open, page; None: healthy.
        at: Characters before the fault.
        stop_reason: Anthropic's word for the end.
        thinking: Comes before the text.
        calls: Tools that are called after the text, as (name, arguments).
        prefill: Half answers as the last message are gone on with; else refused.
    """

    text: str = ANSWER
    fault: str | None = None
    at: int = 120
    stop_reason: str = "end_turn"
    thinking: str = ""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    prefill: bool = True


class AnthropicProvider:
    """Serves `says` to everyone, until it is changed.

    Attributes:
        asked: The bodies of all requests but probes.
    """

    def __init__(self, says: Says | None = None) -> None:
        self.says = says or Says()
        self.asked: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self._port = HttpListener(self._routed)

    async def __aenter__(self) -> Self:
        await self._port.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._port.aclose()

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self._port.number}"

    async def _routed(self, peer: Connection, request: Request) -> None:
        body, says = request.json(), self.says
        assert request.path == "/v1/messages", request.path
        self.headers = request.headers
        last = body["messages"][-1]
        prefilled = last["role"] == "assistant"
        probe = prefilled and _text(last).strip() == PROBE
        if not probe:
            self.asked.append(body)
        if (probe or prefilled) and not says.prefill:
            await _refuse(peer, 400, "invalid_request_error", "This model does not support assistant message prefill.")
        elif probe:
            await _Stream(peer, Says(), body).play(" Paris.")
        elif says.fault in STATUSES:
            await _refuse(peer, *STATUSES[says.fault], _MESSAGES.get(says.fault, "Scripted."))
        else:
            await _Stream(peer, says, body).play(_rest(says, body))


class _Stream:
    def __init__(self, peer: Connection, says: Says, body: dict[str, Any]) -> None:
        self._peer = peer
        self._says = says
        self._body = body

    async def play(self, text: str) -> None:
        says = self._says
        if says.fault == "page":
            await self._peer.answer(200, b"<!DOCTYPE html><title>Sign in</title>", content_type="text/html")
            return
        await self._peer.send(head(200, "text/event-stream", {"transfer-encoding": "chunked"}))
        usage = {"input_tokens": 25, "output_tokens": 1}
        start = {"id": "msg_1", "type": "message", "role": "assistant", "model": self._body["model"], "content": []}
        await self._event(
            "message_start", message={**start, "stop_reason": None, "stop_sequence": None, "usage": usage}
        )
        await self._event("ping")
        if says.thinking:
            await self._think(says.thinking)
        if text and not await self._say(text):
            return
        for index, (name, arguments) in enumerate(says.calls, 1):
            if not await self._call(index, name, arguments):
                return
        if says.fault == "stop_without_reason":
            await self._event("message_stop")
            await self._peer.send(b"0\r\n\r\n")
            return
        delta = {"stop_reason": says.stop_reason, "stop_sequence": None}
        await self._event("message_delta", delta=delta, usage={"output_tokens": 40})
        if says.fault == "left_open":
            await self._peer.until_left()
            return
        await self._event("message_stop")
        await self._peer.send(b"0\r\n\r\n")

    async def _think(self, thinking: str) -> None:
        block = {"type": "thinking", "thinking": "", "signature": ""}
        await self._event("content_block_start", index=9, content_block=block)
        await self._event("content_block_delta", index=9, delta={"type": "thinking_delta", "thinking": thinking})
        await self._event("content_block_delta", index=9, delta={"type": "signature_delta", "signature": "c2ln"})
        await self._event("content_block_stop", index=9)

    async def _say(self, text: str) -> bool:
        await self._event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        said = 0
        for token in tokens(text):
            await self._event("content_block_delta", index=0, delta={"type": "text_delta", "text": token})
            said += len(token)
            if said >= self._says.at and not self._says.calls and not await self._goes_on():
                return False
        await self._event("content_block_stop", index=0)
        return True

    async def _call(self, index: int, name: str, arguments: dict[str, Any]) -> bool:
        block = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
        await self._event("content_block_start", index=index, content_block=block)
        said = json.dumps(arguments)
        for at, piece in enumerate((said[:5], said[5:])):
            delta = {"type": "input_json_delta", "partial_json": piece}
            await self._event("content_block_delta", index=index, delta=delta)
            if at == 0 and not await self._goes_on():
                return False
        await self._event("content_block_stop", index=index)
        return True

    async def _goes_on(self) -> bool:
        """Whether the stream does; else its fault has been played."""
        match self._says.fault:
            case "cut":
                await self._peer.send(b"0\r\n\r\n")
            case "reset":
                self._peer.reset()
            case "error":
                await self._event("error", error={"type": "overloaded_error", "message": "Overloaded"})
                await self._peer.send(b"0\r\n\r\n")
            case "stall":
                await self._peer.until_left()
            case _:
                return True
        return False

    async def _event(self, kind: str, **facts: Any) -> None:
        await asyncio.sleep(0)
        await self._peer.send(chunked(f"event: {kind}\ndata: {json.dumps({'type': kind, **facts})}\n\n".encode()))


async def _refuse(peer: Connection, status: int, kind: str, message: str) -> None:
    error = {"type": "error", "error": {"type": kind, "message": message}}
    headers = {"retry-after": "1"} if status == 429 else {}
    await peer.answer(status, json.dumps(error).encode(), headers=headers)


def _rest(says: Says, body: dict[str, Any]) -> str:
    """What there is left to say."""
    messages = body["messages"]
    if messages[-1]["role"] == "assistant":
        return says.text[len(_text(messages[-1]).rstrip()) :]
    if len(messages) > 1 and messages[-2]["role"] == "assistant":
        half = _text(messages[-2]).rstrip()
        if again := quoted(half, _text(messages[-1])):
            return again + says.text[len(half) :]
    return says.text


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
