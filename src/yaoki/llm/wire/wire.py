"""The lean way to a provider that speaks OpenAI: bytes in, deltas out, no SDK.

The stream is judged by the same rules as under the SDK. Redirects are not followed, no proxy and no cookie is taken
from anywhere, and compression is not asked for.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from typing import Any

import aiohttp

from yaoki.errors import AIOrchestrationError, ModelMalformedError
from yaoki.llm.deltas import Delta, HalfAnswer
from yaoki.llm.failures import rename, status_error
from yaoki.llm.seams.continuing import Prefill, instruction, left_of
from yaoki.llm.streams.chat_stream import ChatStream
from yaoki.llm.streams.watcher import ERROR_BYTES, LINGER_S
from yaoki.llm.wire.body import WireBody
from yaoki.llm.wire.connections import Connections, Response
from yaoki.llm.wire.deltas import WireDeltas
from yaoki.llm.wire.request import LIMITS, WireRequest

_OK = 200
_FOREIGN = (aiohttp.ClientError, OSError, ValueError)
_HANGS_UP = "llama.cpp"
"""Who closes the connection after each stream and says that it keeps it: the next request would run into that."""


class Wire:
    """Streams one model of one provider, over connections of its own that live as long as the process.

    Args:
        model: The provider's name of it.
        base_url: Asked before each request; it may raise `ModelUnavailableError`.
        api_key: Empty where the server wants none.
        max_output_tokens: Asked of the provider; a request's own, lower limit wins.
        limit_field: What the provider calls that limit, where the request has none.
        prefill: How the backend wants a prefill.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: Callable[[], str],
        api_key: str,
        max_output_tokens: int,
        limit_field: str,
        prefill: Prefill,
    ) -> None:
        self._model = model
        self._base_url = base_url
        self._max_output_tokens = max_output_tokens
        self._limit_field = limit_field
        self._prefill = prefill
        self._headers = {"accept-encoding": "identity", "content-type": "application/json", "user-agent": "yaoki"}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"
        self._session: Connections | None = None

    async def stream(self, request: WireRequest, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        """Answer, or go on with half an answer. See `Upstream.stream`."""
        asked = json.dumps(self._body(request.body, half)).encode()
        url = f"{self._base_url().rstrip('/')}/chat/completions"
        chat, deltas = ChatStream(joins=True), WireDeltas(offered=request.offers_tools)
        try:
            async with self._open().post(url, data=asked, headers=self._headers) as response:
                if response.status != _OK:
                    raise await _refusal(response)
                if response.headers.get("server") == _HANGS_UP:
                    self._headers["connection"] = "close"
                    _keep_no_longer(response)
                body, raw = WireBody(response.content, _FOREIGN, watched=request.is_watched), b"-"
                while raw and not chat.complete:
                    raw = await (body.last_piece() if chat.finished else body.piece())
                    for delta in deltas.take(chat.feed(raw) if raw else chat.close()):
                        yield delta
                    if chat.fault is not None:
                        raise chat.fault
                await body.drain()
        except aiohttp.ClientResponseError as error:
            raise ModelMalformedError("The provider does not speak HTTP.", fault="bad_http") from error
        except _FOREIGN as error:
            known = rename(error)
            if known is None:
                raise ModelMalformedError("The answer cannot be read.", fault="unreadable") from error
            raise known from error
        for delta in deltas.ending():
            yield delta

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> Connections:
        if self._session is None:
            self._session = Connections()
        return self._session

    def _body(self, asked: Mapping[str, Any], half: HalfAnswer | None) -> dict[str, Any]:
        body: dict[str, Any] = {
            **asked,
            "model": self._model,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        named = [name for name in LIMITS if body.get(name)]
        for name in named or [self._limit_field]:
            wanted = left_of(body[name], half) if body.get(name) else self._max_output_tokens
            body[name] = min(wanted, self._max_output_tokens)
        if half is not None:
            body["messages"] = [*asked["messages"], {"role": "assistant", "content": half.text.rstrip()}]
            if half.mode == "prefill":
                body.update(self._prefill.body)
            else:
                body["messages"].append({"role": "user", "content": instruction(half)})
        return body


def _keep_no_longer(response: Response) -> None:
    """The connection serves this response, and none after it."""
    protocol = response.connection and response.connection.protocol
    if protocol is not None:
        protocol.force_close()


async def _refusal(response: Response) -> AIOrchestrationError:
    """What a status says; the body may tell more, if it comes at all."""
    raw = b""
    with suppress(TimeoutError, *_FOREIGN):
        async with asyncio.timeout(LINGER_S):
            while len(raw) < ERROR_BYTES and (piece := await response.content.read(ERROR_BYTES)):
                raw += piece
    return status_error(response.status, response.headers, raw)
