"""Upstreams for providers whose streams we can watch.

SDK retries are off, redirects are not followed, compressed answers are not asked for, and no proxy is taken from the
environment: everything between the chain and the provider is in sight.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers import Provider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from yaoki.llm.continuing import Prefill
from yaoki.llm.deltas import Delta, HalfAnswer
from yaoki.llm.pydantic_upstream import ChatRequest, PydanticUpstream
from yaoki.llm.unread import UnreadModel, unconverted
from yaoki.llm.watcher import PlainTransport, WatchedTransport
from yaoki.llm.wire.connections import CONNECT_S
from yaoki.llm.wire.request import WireRequest
from yaoki.llm.wire.wire import Wire

OPENAI_URL = "https://api.openai.com/v1"
_PLACEHOLDER_URL = "http://127.0.0.1:9/v1"
_NO_KEY = "none"
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=20)


class OpenAIUpstream(PydanticUpstream):
    """A watched model that speaks OpenAI's chat completions, at an address that may change.

    Args:
        unread: The same model for answers that nobody watches grow.
        wire: Answers what comes in OpenAI's own words; everything else goes through the SDK.
    """

    def __init__(
        self,
        model: OpenAIChatModel,
        unread: UnreadModel,
        base_url: str | Callable[[], str],
        *,
        max_output_tokens: int,
        wire: Wire,
        prefill: Prefill,
    ) -> None:
        super().__init__(model, max_output_tokens=max_output_tokens, verified=True, prefill=prefill, unread=unread)
        self._clients = model.client, unread.client
        self._base_url = base_url
        self._wire = wire

    def stream(self, request: ChatRequest | WireRequest, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        """See `Upstream.stream`. An address that is not known now raises `ModelUnavailableError`."""
        return self._wire.stream(request, half) if isinstance(request, WireRequest) else self._chat(request, half)

    async def _chat(self, request: ChatRequest, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        self._locate()
        async with aclosing(super().stream(request, half)) as deltas:
            async for delta in deltas:
                yield delta

    async def honours_prefill(self) -> bool:
        """See `Upstream.honours_prefill`."""
        self._locate()
        return await super().honours_prefill()

    async def ping(self) -> None:
        """See `Upstream.ping`."""
        self._locate()
        await super().ping()

    async def aclose(self) -> None:
        """Close the client and its connections."""
        for client in self._clients:
            await client.close()
        await self._wire.aclose()

    def _locate(self) -> None:
        if callable(self._base_url):
            base_url = self._base_url()
            for client in self._clients:
                client.base_url = base_url


def openai_upstream(
    *,
    model: str,
    base_url: str | Callable[[], str] = OPENAI_URL,
    api_key: str = "",
    max_output_tokens: int = 4096,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> OpenAIUpstream:
    """An upstream for one model behind OpenAI's protocol.

    Args:
        model: The provider's name of the model.
        base_url: Ends in `/v1` as a rule. A callable is asked before each request, and may raise
            `ModelUnavailableError`.
        api_key: Empty where the server wants none; `OPENAI_API_KEY` is never read.
        max_output_tokens: Asked of the provider, and enforced where it does not listen.
        transport: What talks under the watcher; by default HTTP/1.1 with a pool of its own.
    """
    transport = transport or httpx2.AsyncHTTPTransport(limits=_LIMITS)
    own = base_url == OPENAI_URL
    profile = OpenAIModelProfile(
        openai_chat_streaming_requires_finish_reason=True, openai_chat_supports_max_completion_tokens=own
    )

    def provider(transport: httpx2.AsyncBaseTransport) -> Provider[AsyncOpenAI]:
        client = _client(_PLACEHOLDER_URL if callable(base_url) else base_url, api_key, transport)
        return OpenAIProvider(openai_client=client) if own else OpenAICompatibleProvider("openai", openai_client=client)

    chat = OpenAIChatModel(model, provider=provider(WatchedTransport(transport)), profile=profile)
    unread = UnreadModel(model, provider=provider(PlainTransport(transport)), profile=profile)
    unconverted(unread.client)
    prefill = Prefill()
    wire = Wire(
        model=model,
        base_url=base_url if callable(base_url) else lambda: base_url,
        api_key=api_key,
        max_output_tokens=max_output_tokens,
        limit_field="max_completion_tokens" if own else "max_tokens",
        prefill=prefill,
    )
    return OpenAIUpstream(chat, unread, base_url, max_output_tokens=max_output_tokens, wire=wire, prefill=prefill)


def _client(base_url: str, api_key: str, transport: httpx2.AsyncBaseTransport) -> AsyncOpenAI:
    timeout = httpx2.Timeout(None, connect=CONNECT_S)
    http = httpx2.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)
    return AsyncOpenAI(base_url=base_url, api_key=api_key or _NO_KEY, max_retries=0, http_client=http, timeout=timeout)
