"""An OpenAI base URL that gives another one's answers, and goes wrong where it is told to.

Each request is really asked upstream, once; the answer is recorded and given from the recording, so that a fault hits
exactly the words that the upstream said, and another try of the same request costs nothing. What is no chat completion
is passed on as it is.
"""

import asyncio
import json
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self, cast

from yaoki.errors import ConfigurationSettingError
from yaoki.faults import documents
from yaoki.faults.http_listener import HOST, HttpListener
from yaoki.faults.provider import until_sent_or_left
from yaoki.faults.raw_http import Connection, Request
from yaoki.faults.recording import Recording, Upstream
from yaoki.faults.refusals import error_body
from yaoki.faults.replay import Replay
from yaoki.faults.script import ChatRequest, Script, kind_of
from yaoki.faults.table import REFUSED, Fault, fault_named

_PREFIX = "/v1"
_CHAT = "/chat/completions"
_HEALTHY = Fault("healthy", "", lambda reply: reply.healthy(), "a healthy answer", healthy=True)
_SECRET_HEADERS = ("authorization", "api-key", "x-api-key")


@dataclass(slots=True, kw_only=True)
class Passage:
    """What went through the proxy while one script was played.

    Attributes:
        script: What it was told to do.
        asked: Chat completions that were asked for.
        others: Other requests, passed on without a fault; a probe for prefill is one.
        fired: How often the fault happened.
        answers: The whole text of each answer, in order, whether it was hit or not.
        hurt: The whole text of those that were hit.
        heard: The first 64 KiB of each response that was hit, as they were sent.
        troubles: What the upstream itself did wrong: then nothing can be said about the client.
        secrets: The keys that came with requests, to be kept out of whatever is written down.
    """

    script: Script
    asked: int = 0
    others: int = 0
    fired: int = 0
    answers: list[str] = field(default_factory=list[str])
    hurt: list[str] = field(default_factory=list[str])
    heard: list[bytearray] = field(default_factory=list[bytearray])
    troubles: list[str] = field(default_factory=list[str])
    secrets: set[str] = field(default_factory=set[str])

    @property
    def hurt_as_given(self) -> list[str]:
        """What the responses that were hit said: the text of an answer, or the page, or whatever it was instead."""
        bodies = (bytes(heard).partition(b"\r\n\r\n")[2] for heard in self.heard)
        return [Recording(200, "", body).text or body.decode(errors="replace") for body in bodies]


class ChaosProxy:
    """Listens on loopback, with one script at a time.

    Args:
        upstream: Who really answers.
        port: 0 picks a free one.

    Example:
        async with ChaosProxy(upstream) as proxy:
            passage = await proxy.play(Script(fault="cut_mid_stream", times=1))
            ...  # point a client at proxy.base_url
            assert passage.fired == 1
    """

    def __init__(self, upstream: Upstream, *, port: int = 0) -> None:
        self._upstream = upstream
        self._port = HttpListener(self._routed, port)
        self._passage = Passage(script=Script())
        self._left: int | None = None
        self._under_way: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self._port.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._port.aclose()

    @property
    def base_url(self) -> str:
        """What a client is given."""
        return f"http://{HOST}:{self._port.number}{_PREFIX}"

    async def play(self, script: Script) -> Passage:
        """End all that is under way, and do this from now on; what then passes is in the passage.

        Raises:
            ConfigurationSettingError: There is no such fault, or it is that nobody listens, which needs no proxy.
        """
        if script.fault is not None:
            fault_named(script.fault)
        if script.fault == REFUSED:
            raise ConfigurationSettingError("A refused connection is never seen here; take closes_at_once instead.")
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(set(self._under_way))
        self._passage, self._left = Passage(script=script), script.times
        return self._passage

    async def settle(self, within_s: float) -> None:
        """Wait until nothing is under way, such as an answer of the upstream for a client that has left."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=within_s)

    # ------------------------------------------------------------------------------------------------------- answering

    async def _routed(self, peer: Connection, request: Request) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._under_way.add(task)
        try:
            await self._answer(peer, request)
        finally:
            self._under_way.discard(task)

    async def _answer(self, peer: Connection, request: Request) -> None:
        passage = self._passage
        passage.secrets |= _secrets(request)
        if "transfer-encoding" in request.headers:
            await peer.answer(411, _error("Requests need a content length here."))
            peer.close()
            return
        if not request.path.startswith(f"{_PREFIX}/"):
            await peer.answer(404, _error("The base URL ends in /v1."))
            return
        relative = replace(request, path=request.path.removeprefix(_PREFIX))
        if (
            relative.path == _CHAT
            and relative.method == "POST"
            and kind_of(ChatRequest(body=request.json())) != "probe"
        ):
            await self._chat(peer, relative, passage)
            return
        passage.others += 1
        await _pass_on(peer, await self._upstream.ask(relative))

    async def _chat(self, peer: Connection, request: Request, passage: Passage) -> None:
        passage.asked += 1
        fault = self._next(passage.script)
        recording = await self._upstream.ask(request)
        if recording.trouble:
            passage.troubles.append(recording.trouble)
            await _pass_on(peer, recording)
            return
        passage.answers.append(recording.text)
        if not fault.healthy:
            passage.hurt.append(recording.text)
            peer.heard = bytearray()
            passage.heard.append(peer.heard)
        fired = False

        def fire() -> None:
            nonlocal fired
            if fired or fault is _HEALTHY:
                return
            fired = True
            passage.fired += 1
            if fault.healthy:
                passage.answers.append(reply.text)  # some oddities are odd words

        reply = Replay(peer, ChatRequest(body=request.json()), passage.script, recording, fire)
        try:
            await until_sent_or_left(peer, documents.play(reply, fault))
        finally:
            peer.heard = None

    def _next(self, script: Script) -> Fault:
        """The fault that this request is to be hit by."""
        if script.fault is None or self._left == 0:
            return _HEALTHY
        if self._left is not None:
            self._left -= 1
        return fault_named(script.fault)


def _error(message: str) -> bytes:
    return json.dumps(error_body(message)).encode()


async def _pass_on(peer: Connection, recording: Recording) -> None:
    await peer.answer(recording.status, recording.body, content_type=recording.content_type)


def _secrets(request: Request) -> set[str]:
    sent = (request.headers.get(name, "") for name in _SECRET_HEADERS)
    return {value.rpartition(" ")[2] for value in sent if value}
