"""A real answer of the embedded model, recorded once and played to whoever asks: the same bytes, at the same pace."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Self

import httpx2

from yaoki.errors import ModelUnavailableError
from yaoki.faults.http_listener import HOST, HttpListener
from yaoki.faults.raw_http import Connection, Request, head
from yaoki.llm.local import LocalModel

_HEAD = head(200, "text/event-stream", {"connection": "close"})
"""A body that ends when the connection does, as behind a gateway that speaks HTTP/1.0: nothing counts its bytes."""
_ANSWER_S = 60.0
_TAKES = 5
_MIN_CHARS, _MAX_CHARS = 200, 800
_MAX_TOKENS = 300
_DONE = b"data: [DONE]"

Messages = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event as it came, with its blank line, and the text in it."""

    data: bytes
    text: str
    finish: str | None


@dataclass(frozen=True, slots=True)
class Tape:
    """A whole streamed answer, event by event."""

    events: tuple[Event, ...]

    @property
    def text(self) -> str:
        """Everything that it says."""
        return "".join(event.text for event in self.events)

    @property
    def finish(self) -> str | None:
        """The finish reason that the model gave."""
        return next((event.finish for event in self.events if event.finish), None)

    def cut_at(self, share: float) -> "Cut":
        """A cut between two events, after about this share of the text."""
        wanted = len(self.text) * share
        text, size = "", len(_HEAD)
        for event in self.events:
            if len(text) >= wanted or event.finish:
                break
            text, size = text + event.text, size + len(event.data)
        return Cut(size, text)


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a played tape is cut: bytes of the connection, and the text within them."""

    after_bytes: int
    half: str


async def record(model: LocalModel, messages: Messages) -> Tape:
    """Ask the model until it gives an answer that is long enough to be cut, not too long to be read, and whole.

    Raises:
        ModelUnavailableError: It did not, in several takes.
    """
    timeout = httpx2.Timeout(_ANSWER_S)
    async with httpx2.AsyncClient(base_url=model.base_url, timeout=timeout, trust_env=False) as http:
        for _ in range(_TAKES):
            body = {"model": model.name, "messages": messages, "stream": True, "max_tokens": _MAX_TOKENS}
            headers = {"authorization": f"Bearer {model.api_key}", "connection": "close"}
            try:
                response = await http.post("/chat/completions", json=body, headers=headers)
            except httpx2.TransportError as error:
                raise ModelUnavailableError("The embedded model broke off while it was recorded.") from error
            tape = tape_of(response.content)
            if tape.finish == "stop" and _MIN_CHARS <= len(tape.text) <= _MAX_CHARS:
                return tape
    raise ModelUnavailableError(f"The embedded model gave no answer worth recording, in {_TAKES} takes.")


def tape_of(body: bytes) -> Tape:
    """The events of a streamed answer."""
    return Tape(tuple(_event(block + b"\n\n") for block in body.split(b"\n\n") if block.strip()))


class Player:
    """An OpenAI-compatible server that answers every question with the tape.

    Args:
        token_s: Seconds between two events.
    """

    def __init__(self, tape: Tape, *, token_s: float) -> None:
        self._tape = tape
        self._token_s = token_s
        self._port = HttpListener(self._answer)

    @property
    def address(self) -> str:
        """Where it listens, as `host:port`."""
        return f"{HOST}:{self._port.number}"

    async def __aenter__(self) -> Self:
        await self._port.listen()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._port.aclose()

    async def _answer(self, peer: Connection, request: Request) -> None:
        if (request.method, request.path) != ("POST", "/v1/chat/completions"):
            await peer.answer(404, b"{}")
            return
        await peer.send(_HEAD)
        for event in self._tape.events:
            await asyncio.sleep(self._token_s)
            await peer.send(event.data)
        peer.close()


def _event(data: bytes) -> Event:
    """Read one event; what is no chunk of an answer says nothing."""
    if data.startswith(_DONE) or not data.startswith(b"data: "):
        return Event(data, "", None)
    choices: list[dict[str, Any]] = json.loads(data.removeprefix(b"data: ")).get("choices") or []
    delta: dict[str, Any] = choices[0].get("delta") or {} if choices else {}
    return Event(data, delta.get("content") or "", choices[0].get("finish_reason") if choices else None)
