"""Ways from a player to the chain: as the sessions and transports of the HTTP clients beneath it, without a socket."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any, Self

import aiohttp
import httpx2
from aiohttp.base_protocol import BaseProtocol

from tests.streams.world import Player, Playing, asked_of
from yaoki.llm.deltas import Delta, HalfAnswer
from yaoki.llm.seams.continuing import Prefill
from yaoki.llm.upstreams.upstreams import OpenAIUpstream, openai_upstream
from yaoki.llm.wire.request import WireRequest
from yaoki.llm.wire.wire import Wire

_URL = "http://127.0.0.1:9/v1"


def _aiohttp_failure(end: str) -> Exception:
    errors: dict[str, Exception] = {
        "cut": aiohttp.ClientPayloadError("Response payload is not completed"),
        "reset": aiohttp.ClientOSError(104, "Connection reset by peer"),
        "refused": aiohttp.ClientOSError(111, "Connect call failed"),
    }
    return errors[end]


def _httpx_failure(end: str) -> Exception:
    errors: dict[str, Exception] = {
        "cut": httpx2.RemoteProtocolError("peer closed connection without sending complete message body"),
        "reset": httpx2.ReadError("reset"),
        "refused": httpx2.ConnectError("refused"),
    }
    return errors[end]


class _Connection(asyncio.Transport):
    """Whoever reads may ask for a pause; what is not sent over a network needs none."""

    def pause_reading(self) -> None:
        """Nothing is read from anywhere."""

    def resume_reading(self) -> None:
        """The same."""


class _Opened:
    """A response of aiohttp's, as a context; its body is a reader of aiohttp's own, fed with the play."""

    def __init__(self, player: Player, data: bytes) -> None:
        play, request = player.take(asked_of(data))
        self._play = play
        self._playing = Playing(play, request, _aiohttp_failure)
        self.status = play.status
        self.headers = play.headers
        self.connection = None
        loop = asyncio.get_running_loop()
        protocol = BaseProtocol(loop)
        protocol.connection_made(_Connection())
        self.content = aiohttp.StreamReader(protocol, 2**26, loop=loop)

    async def __aenter__(self) -> Self:
        if self._play.end == "refused":
            self._playing.leave()
            raise _aiohttp_failure("refused")
        self._feeding = asyncio.create_task(self._feed())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._playing.leave()
        self._feeding.cancel()
        with suppress(asyncio.CancelledError):
            await self._feeding

    async def _feed(self) -> None:
        try:
            while data := await self._playing.piece():
                self.content.feed_data(data)
                await asyncio.sleep(0)
        except aiohttp.ClientError as error:
            self.content.set_exception(error)
        else:
            self.content.feed_eof()


class _Session:
    """As much of an aiohttp session as a wire uses."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def post(self, _url: str, *, data: bytes, **_: Any) -> _Opened:
        return _Opened(self._player, data)

    async def close(self) -> None:
        """Nothing is open."""


class PlayedWire(Wire):
    """The lean wire over a player."""

    def __init__(self, player: Player) -> None:
        super().__init__(
            model=f"m{player.number}",
            base_url=lambda: _URL,
            api_key="",
            max_output_tokens=4096,
            limit_field="max_tokens",
            prefill=Prefill(),
        )
        self._session = _Session(player)  # type: ignore[assignment]

    async def stream(self, request: WireRequest, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        async for delta in super().stream(request, half):
            yield delta

    async def honours_prefill(self) -> bool:
        return True

    async def ping(self) -> None:
        """It lives."""


class _Body(httpx2.AsyncByteStream):
    """The body as httpx gives it to the SDK."""

    def __init__(self, playing: Playing) -> None:
        self._playing = playing

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._playing.piece():
            yield data

    async def aclose(self) -> None:
        self._playing.leave()


class _Transport(httpx2.AsyncBaseTransport):
    """A transport of httpx over a player."""

    def __init__(self, player: Player) -> None:
        self._player = player

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        play, asked = self._player.take(asked_of(await request.aread()))
        playing = Playing(play, asked, _httpx_failure)
        if play.end == "refused":
            playing.leave()
            raise _httpx_failure("refused")
        headers = [(name.encode(), value.encode("latin-1")) for name, value in play.headers.items()]
        return httpx2.Response(play.status, headers=headers, stream=_Body(playing))


def played_sdk(player: Player) -> OpenAIUpstream:
    """The SDK, watched, over a player."""
    return openai_upstream(model=f"m{player.number}", base_url=_URL, transport=_Transport(player))
