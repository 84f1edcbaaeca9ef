"""A client of the server's HTTP API that survives what happens between the two.

A message is sent under an id of our own, so sending it again is safe. An event stream is resumed from the last id seen,
for as long as it takes; the caller is told when the link is lost and when it is back.
"""

import asyncio
import json
import random
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self, cast

import httpx2

from yaoki.errors import (
    CLASS_OF,
    AIOrchestrationError,
    CommunicationConnectionLostError,
    CommunicationProtocolError,
)

_CONNECT_S = 2.0
_ANSWER_S = 15.0
_SILENT_HEARTBEATS = 2.5
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_SEND_ATTEMPTS = 6


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of a stream: the id to resume from (empty before the first), and the AG-UI event itself."""

    id: str
    event: Mapping[str, Any]

    @property
    def type(self) -> str:
        """The event's type; for a CUSTOM one its name."""
        kind = str(self.event.get("type", ""))
        return str(self.event.get("name", "")) if kind == "CUSTOM" else kind

    @property
    def value(self) -> Mapping[str, Any]:
        """What a CUSTOM event says."""
        return self.event.get("value") or {}


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The stream is interrupted; the client tries again by itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class LinkBack:
    """The stream goes on from the last id seen."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that the server has written down. Its turn's events follow `event_id`."""

    message_id: str
    turn_id: str
    event_id: str


class Client:
    """Talks to one server. Use as an asynchronous context manager.

    Args:
        base_url: For example `http://127.0.0.1:8400`.
        heartbeat_s: Seconds between the server's heartbeats; two missed ones count as an interruption.
        rng: Randomness of the pauses before a reconnect.
    """

    def __init__(self, base_url: str, *, heartbeat_s: float = 5.0, rng: random.Random | None = None) -> None:
        self.base_url = base_url
        self._silence_s = heartbeat_s * _SILENT_HEARTBEATS
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        timeout = httpx2.Timeout(_ANSWER_S, connect=_CONNECT_S)
        # The server is on this machine: a proxy from the environment has no business in between.
        self._http = httpx2.AsyncClient(base_url=base_url, timeout=timeout, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._http.aclose()

    async def readiness(self) -> Mapping[str, Any] | None:
        """What the server says about itself: `ready`, `checks`, `reasons`, `notes`; None if no Yaoki answers there."""
        try:
            response = await self._http.get("/readyz", params={"verbose": ""}, timeout=_CONNECT_S)
            state = response.json()
        except (httpx2.TransportError, ValueError):
            return None
        return cast("dict[str, Any]", state) if isinstance(state, dict) and "checks" in state else None

    async def create_session(self, session_type: str = "chat") -> str:
        """The id of a new session."""
        return (await self._call("POST", "/ai/sessions", {"session_type": session_type}))["session_id"]

    async def delete_session(self, session_id: str) -> None:
        """Erase a session with all it holds."""
        await self._call("DELETE", f"/ai/sessions/{session_id}")

    async def history(self, session_id: str) -> Mapping[str, Any]:
        """The session's messages, the turn that is open, and the event id to follow from."""
        return await self._call("GET", f"/ai/sessions/{session_id}/history")

    async def send(self, session_id: str, content: str, *, message_id: str | None = None) -> Sent:
        """Send a message, again and again under one id while the server cannot be reached.

        Raises:
            CommunicationConnectionLostError: The server did not answer in several attempts.
            AIOrchestrationError: What the server says against it.
        """
        body = {"id": message_id or f"m_{secrets.token_hex(10)}", "content": content}
        answer = await self._call("POST", f"/ai/sessions/{session_id}/messages", body, attempts=_SEND_ATTEMPTS)
        return Sent(body["id"], answer["turn_id"], answer["event_id"])

    async def cancel(self, session_id: str, turn_id: str | None = None) -> None:
        """Ask a turn, or every open turn of the session, to stop."""
        await self._call("POST", f"/ai/sessions/{session_id}/cancel", {"turn_id": turn_id} if turn_id else {})

    async def events(self, session_id: str, after: str) -> AsyncGenerator[Frame | LinkLost | LinkBack, None]:
        """Follow a session's events from the one after `after`, without an end. Close it with `aclosing`.

        Raises:
            AIOrchestrationError: The server refuses (the session was deleted, the id is malformed).
        """
        last, failures, pause_s = after, 0, 0.0
        while True:
            try:
                async with self._stream(session_id, last) as frames:
                    async for frame in frames:
                        if failures:
                            failures = 0
                            yield LinkBack()
                        last = frame.id or last
                        pause_s = _asked_pause(frame) or 0.0
                        yield frame
                reason = "the server ended the stream"
            except AIOrchestrationError as error:
                if not error.retryable:
                    raise
                reason, pause_s = error.message, max(pause_s, error.retry_after_s or 0.0)
            if not failures:
                yield LinkLost(reason)
            failures += 1
            await asyncio.sleep(max(pause_s, self._pause_s(failures)))

    @asynccontextmanager
    async def _stream(self, session_id: str, after: str) -> AsyncGenerator[AsyncGenerator[Frame, None], None]:
        """One connection's frames, each within the time that two heartbeats take."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": after}
        timeout = httpx2.Timeout(None, connect=_CONNECT_S)
        try:
            request = self._http.build_request(
                "GET", f"/ai/sessions/{session_id}/events", headers=headers, timeout=timeout
            )
            async with asyncio.timeout(self._silence_s):
                response = await self._http.send(request, stream=True)
            try:
                if response.status_code != 200:
                    await response.aread()
                    raise error_of(response)
                async with aclosing(self._frames(response)) as frames:
                    yield frames
            finally:
                await response.aclose()
        except TimeoutError as error:
            raise CommunicationConnectionLostError(f"no sign of life for {self._silence_s:g} s") from error
        except httpx2.TransportError as error:
            raise _lost(error) from error

    async def _frames(self, response: httpx2.Response) -> AsyncGenerator[Frame, None]:
        events = aiter(httpx2.EventSource(response))
        while True:
            async with asyncio.timeout(self._silence_s):
                event = await anext(events, None)
            if event is None:
                return
            try:
                yield Frame(event.id, json.loads(event.data))
            except ValueError as error:
                raise CommunicationConnectionLostError("the server sent something that is not JSON") from error

    async def _call(self, method: str, path: str, body: object = None, *, attempts: int = 1) -> Mapping[str, Any]:
        for attempt in range(1, attempts + 1):
            try:
                response = await self._http.request(method, path, json=body)
            except httpx2.TransportError as error:
                problem: AIOrchestrationError = _lost(error)
            else:
                if response.is_success:
                    return response.json() if response.content else {}
                problem = error_of(response)
            if attempt == attempts or not problem.retryable:
                raise problem
            await asyncio.sleep(max(problem.retry_after_s or 0.0, self._pause_s(attempt)))
        raise AssertionError("attempts is at least 1")

    def _pause_s(self, failures: int) -> float:
        """Full jitter over an exponential that stays below the longest pause."""
        return self._rng.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**failures))


def error_of(response: httpx2.Response) -> AIOrchestrationError:
    """The error that a response stands for: the kind that its problem document names, else what its status says."""
    try:
        document = response.json()
    except ValueError:
        document = None
    facts: dict[str, Any] = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    if "kind" not in facts:
        text = f"The server answered {response.status_code} to {response.request.url.path}; is it a Yaoki server?"
        if response.is_server_error:
            return CommunicationConnectionLostError(text)
        return CommunicationProtocolError(text)
    cls = CLASS_OF.get(str(facts["kind"]), CommunicationProtocolError)
    return cls(str(facts.get("detail", facts["kind"])), retry_after_s=facts.get("retry_after_s"))


def _lost(error: httpx2.TransportError) -> CommunicationConnectionLostError:
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return CommunicationConnectionLostError("the server cannot be reached")
    return CommunicationConnectionLostError("the connection was lost")


def _asked_pause(frame: Frame) -> float | None:
    """The seconds that a server which is about to stop asks us to wait."""
    if frame.type == "yaoki.guidance" and frame.value.get("action") == "reconnect":
        wait = frame.value.get("retry_after_s")
        return float(wait) if isinstance(wait, int | float) else None
    return None
