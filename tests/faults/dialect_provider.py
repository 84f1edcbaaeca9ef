"""A scripted provider that speaks one of `DIALECTS` over real sockets, and fails on cue."""

import asyncio
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.faults.dialects import DIALECTS
from yaoki.faults import ANSWER
from yaoki.faults.http_listener import HOST, HttpListener
from yaoki.faults.provider import until_sent_or_left
from yaoki.faults.raw_http import Connection, Request, chunked, head
from yaoki.faults.script import PROBE, quoted, tokens

RETRY_AFTER_S = 1
_PING_S = 0.05
_END = b"0\r\n\r\n"


@dataclass(slots=True, kw_only=True)
class Says:
    """One behaviour.

    Attributes:
        fault: A refusal of the dialect; hang, mute, pings, page, or what comes at `at`: cut, reset, error, stall,
            drip, damaged, broken_off; or left_open, late_cut, unfinished after all was said; None: healthy.
        at: Characters before the fault; with calls, it comes inside the first.
        end: Which of the dialect's words ends it; calls end with their own.
        calls: Tools that are called after the text, as (name, arguments).
        prefill: Half answers as the last message are gone on with; else refused.
    """

    text: str = ANSWER
    fault: str | None = None
    at: int = 120
    end: str = "stop"
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    prefill: bool = True


class DialectProvider:
    """Serves `says` to everyone, until it is changed.

    Attributes:
        asked: The bodies of all requests but probes.
        left: How many clients went before everything was sent.
    """

    def __init__(self, provider: str, says: Says | None = None) -> None:
        self.dialect = DIALECTS[provider]
        self.provider = provider
        self.says = says or Says()
        self.asked: list[dict[str, Any]] = []
        self.left = 0
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

    def play(self, says: Says) -> None:
        """Behave like that from the next request on, and forget what was asked."""
        self.says = says
        self.asked.clear()
        self.left = 0

    async def _routed(self, peer: Connection, request: Request) -> None:
        assert request.path.endswith(self.dialect.path), request.path
        self.left += await until_sent_or_left(peer, self._answer(peer, request.json()))

    async def _answer(self, peer: Connection, body: dict[str, Any]) -> None:
        says, said = self.says, self.dialect.said(body)
        prefilled, last = said[-1]
        probe = prefilled and last.strip() == PROBE
        if not probe:
            self.asked.append(body)
        if prefilled and not says.prefill:
            await self._refuse(peer, "bad_request")
        elif probe:
            await self._play(peer, Says(), " Paris.")
        elif says.fault in self.dialect.refusals:
            await self._refuse(peer, says.fault)
        else:
            await self._play(peer, says, _rest(says.text, said))

    async def _refuse(self, peer: Connection, fault: str) -> None:
        status, body = self.dialect.refusals[fault]
        waits = {"retry-after": str(RETRY_AFTER_S)} if status == 429 else {}
        await peer.answer(status, json.dumps(body).encode(), headers={**waits, **self.dialect.refusal_headers(body)})

    async def _play(self, peer: Connection, says: Says, text: str) -> None:
        if says.fault == "page":
            await peer.answer(200, b"<!DOCTYPE html><title>Sign in</title>", content_type="text/html")
            return
        if says.fault == "hang":
            await _hold()
        stream = _Stream(peer, self, says)
        await peer.send(head(200, self.dialect.content_type, {"transfer-encoding": "chunked"}))
        if await stream.played(text):
            await stream.ended()


class _Stream:
    def __init__(self, peer: Connection, provider: DialectProvider, says: Says) -> None:
        self._peer = peer
        self._dialect = provider.dialect
        self._says = says

    async def played(self, text: str) -> bool:
        """Say it; False where a fault was the end of it."""
        says, dialect = self._says, self._dialect
        if says.fault in ("mute", "pings"):
            return await self._faulty("stall" if says.fault == "mute" else "drip", "")
        await self._send(dialect.begin())
        said = 0
        for token in tokens(text):
            if said < says.at <= said + len(token) and not says.calls and not await self._faulty(says.fault, token):
                return False
            if not (says.fault == "damaged" and said < says.at <= said + len(token)):
                await self._send(dialect.text(token))
            said += len(token)
        for index, (name, arguments) in enumerate(says.calls, 1):
            for at, piece in enumerate(dialect.call(index, name, arguments)):
                if at == 1 and not await self._faulty(says.fault, ""):
                    return False
                await self._send(piece)
        return True

    async def ended(self) -> None:
        """The end, and what may go wrong after it."""
        says, dialect = self._says, self._dialect
        if says.fault != "unfinished":
            await self._send(dialect.end(dialect.words["tools" if says.calls else says.end]))
        if says.fault == "late_cut":
            self._peer.close()
            return
        await self._send(dialect.close())
        if says.fault == "left_open":
            await _hold()
        await self._peer.send(_END)

    async def _faulty(self, fault: str | None, token: str) -> bool:
        """Play the fault; whether the stream goes on all the same."""
        match fault:
            case "cut":
                await self._peer.send(_END)
            case "reset":
                self._peer.reset()
            case "error":
                await self._send(self._dialect.error())
                await self._peer.send(_END)
            case "broken_off":
                await self._send(self._dialect.end(self._dialect.words["error"]) + self._dialect.close())
                await self._peer.send(_END)
            case "stall":
                await _hold()
            case "drip":
                while True:
                    await self._send(self._dialect.ping())
                    await asyncio.sleep(_PING_S)
            case "damaged":
                await self._send(self._dialect.damaged(token))
                return True
            case _:
                return True
        return False

    async def _send(self, data: bytes) -> None:
        await asyncio.sleep(0)
        await self._peer.send(chunked(data))


async def _hold() -> None:
    """Say nothing more until the client has left."""
    await asyncio.Event().wait()


def _rest(text: str, said: list[tuple[bool, str]]) -> str:
    """What there is left to say."""
    prefilled, last = said[-1]
    if prefilled:
        return text[len(last.rstrip()) :]
    if len(said) > 1 and said[-2][0]:
        half = said[-2][1].rstrip()
        if again := quoted(half, last):
            return again + text[len(half) :]
    return text
