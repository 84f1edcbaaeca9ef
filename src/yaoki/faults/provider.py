"""The scripted provider: an OpenAI-compatible server that fails on cue, over real sockets, on loopback only.

Its control port (`yaoki.faults.control`) answers also while the provider itself refuses connections.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from yaoki.faults import control
from yaoki.faults.http_listener import HOST, HttpListener
from yaoki.faults.raw_http import Connection, Request
from yaoki.faults.refusals import error_body
from yaoki.faults.reply import Reply
from yaoki.faults.script import ChatRequest, Kind, Script, kind_of, words_for
from yaoki.faults.table import FAULTS, REFUSED, Fault, cut_document, fault_named
from yaoki.resilience.clock import SYSTEM_CLOCK

_HEALTHY = Fault("healthy", "", Reply.healthy, "a healthy answer", healthy=True)


@dataclass(slots=True, kw_only=True)
class Recorded:
    """One chat request as it was seen.

    Attributes:
        at: Monotonic seconds when it had been read.
        kind: What it asked for.
        fault: The fault that was played for it.
        fired_at: When that fault happened; None if it did not.
        ended_at: When this side had sent everything, or the client had left.
        left: The client went before this side had sent everything.
    """

    at: float
    kind: Kind
    body: dict[str, Any]
    headers: dict[str, str]
    fault: str | None
    fired_at: float | None = None
    ended_at: float | None = None
    left: bool = False


@dataclass(slots=True)
class _Step:
    """A script and how often it may still go wrong."""

    script: Script
    left: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.script.times


class ScriptedProvider:
    """Serves scripts, one after the other; the last one stays, without its fault once that is used up.

    Args:
        scripts: Its behaviours in order; one healthy one by default.
        port: 0 picks a free one.

    Attributes:
        requests: Every chat request, in order.
        fired: How often each fault happened.

    Raises:
        ConfigurationSettingError: A script names a fault that does not exist.

    Example:
        async with ScriptedProvider(Script(fault="cut_mid_stream", times=1)) as provider:
            ...  # point a client at provider.base_url
            assert provider.fired["cut_mid_stream"] == 1
    """

    def __init__(self, *scripts: Script, port: int = 0) -> None:
        self.requests: list[Recorded] = []
        self.fired: Counter[str] = Counter()
        self._happened = asyncio.Event()
        self._steps: deque[_Step] = deque()
        self._port = HttpListener(self._routed, port)
        self._control = HttpListener(
            control.control_route(self.state, lambda body: self.play(*control.scripts_from(body)))
        )
        self._load(scripts or (Script(),))

    def __repr__(self) -> str:
        return f"<ScriptedProvider {self.base_url} listening={self._port.listening} fired={dict(self.fired)}>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def base_url(self) -> str:
        """What a client is given."""
        return f"http://{HOST}:{self._port.number}/v1"

    @property
    def control_url(self) -> str:
        """Where the scripts are changed from another process."""
        return f"http://{HOST}:{self._control.number}{control.PATH}"

    @property
    def asked(self) -> list[Recorded]:
        """The requests for an answer, or for the rest of one: without probes."""
        return [record for record in self.requests if record.kind != "probe"]

    async def start(self) -> None:
        """Open the control port and, unless the script says refused, listen."""
        await self._control.listen()
        await self._obey()

    async def aclose(self) -> None:
        """Stop listening and end every connection."""
        await self._port.aclose()
        await self._control.aclose()

    async def play(self, *scripts: Script) -> None:
        """Replace the scripts. Answers under way go on as they began, unless the new script refuses connections.

        Raises:
            ConfigurationSettingError: A script names a fault that does not exist; the old scripts stay.
        """
        self._load(scripts)
        await self._obey()

    async def until(self, true: Callable[[Self], bool]) -> None:
        """Return as soon as `true` of this provider: asked whenever a request comes, a fault fires or a play ends."""
        while not true(self):
            self._happened.clear()
            await self._happened.wait()

    def state(self) -> dict[str, Any]:
        """What happened so far, as plain JSON values."""
        return {
            "base_url": self.base_url,
            "fired": dict(self.fired),
            "scripts": [{**control.plain(step.script), "times": step.left} for step in self._steps],
            "requests": [asdict(replace(record, headers={})) for record in self.requests],
        }

    def _load(self, scripts: tuple[Script, ...]) -> None:
        for script in scripts:
            if script.fault is not None:
                fault_named(script.fault)
        self._steps = deque(_Step(script) for script in scripts)

    async def _obey(self) -> None:
        """Listen or refuse, as the script at hand says."""
        if self._steps[0].script.fault == REFUSED:
            self.fired[REFUSED] += 1
            await self._port.refuse()
        else:
            await self._port.listen()

    # ------------------------------------------------------------------------------------------------------- answering

    async def _routed(self, peer: Connection, request: Request) -> None:
        match request.method, request.path:
            case "POST", "/v1/chat/completions":
                await self._chat(peer, request)
            case "GET", "/v1/models":
                await self._models(peer)
            case _, "/login":
                await peer.answer(200, b"<!DOCTYPE html><title>Sign in</title>", content_type="text/html")
            case _:
                await peer.answer(404, json.dumps(error_body("No such route.")).encode())

    async def _chat(self, peer: Connection, request: Request) -> None:
        chat = ChatRequest(body=request.json())
        kind = kind_of(chat)
        script, fault = self._next(kind)
        record = Recorded(
            at=SYSTEM_CLOCK.monotonic(),
            kind=kind,
            body=dict(chat.body),
            headers=request.headers,
            fault=None if fault is _HEALTHY else fault.name,
        )
        self.requests.append(record)
        self._happened.set()
        text = words_for(chat, script, kind)
        if text is None:
            await peer.answer(400, json.dumps(error_body("The last message must be from the user.")).encode())
            return

        def fire() -> None:
            if record.fired_at is None and fault is not _HEALTHY:
                record.fired_at = SYSTEM_CLOCK.monotonic()
                self.fired[fault.name] += 1
                self._happened.set()

        try:
            record.left = await until_sent_or_left(peer, _play(Reply(peer, chat, script, text, fire), fault))
        finally:
            record.ended_at = SYSTEM_CLOCK.monotonic()
        self._happened.set()

    async def _models(self, peer: Connection) -> None:
        script, fault = self._next("models")
        if fault.whole:
            reply = Reply(peer, ChatRequest(body={}), script, "", lambda: self.fired.update([fault.name]))
            await fault.play(reply)
            return
        models = [{"id": "scripted", "object": "model", "created": 0, "owned_by": "yaoki"}]
        await peer.answer(200, json.dumps({"object": "list", "data": models}).encode())

    def _next(self, kind: Kind) -> tuple[Script, Fault]:
        """The script for this request, and its fault if that is to be played now."""
        while len(self._steps) > 1 and self._steps[0].left == 0:
            self._steps.popleft()
        step = self._steps[0]
        spared = kind in ("models", "probe") and not step.script.everywhere
        if step.script.fault is None or step.left == 0 or spared:
            return step.script, _HEALTHY
        if step.left is not None:
            step.left -= 1
        return step.script, FAULTS[step.script.fault]


async def _play(reply: Reply, fault: Fault) -> None:
    if reply.request.streamed or fault.whole:
        await fault.play(reply)
    elif fault.healthy:
        await reply.peer.answer(200, json.dumps(reply.document()).encode())
    else:
        await cut_document(reply)


async def until_sent_or_left(peer: Connection, play: Coroutine[Any, Any, None]) -> bool:
    """Play until it is over or the client has gone, whichever comes first; returns whether the client left."""
    playing, leaving = asyncio.create_task(play), asyncio.create_task(peer.until_left())
    try:
        await asyncio.wait({playing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        left = not playing.done()
    finally:
        for task in (playing, leaving):
            task.cancel()
        await asyncio.wait({playing, leaving})
    if left:
        peer.close()
        return True
    try:
        playing.result()
    except ConnectionError:
        peer.close()
        return True
    return False
