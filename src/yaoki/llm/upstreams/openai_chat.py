"""A model behind OpenAI's protocol as agents ask it: by pydantic-ai and the OpenAI SDK, whose streams are watched.

The two take 15 MB and a fifth of a second. A server that is asked by its base URL alone never needs them, so nothing
imports this file before an agent asks.
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

from yaoki.llm.deltas import Delta, HalfAnswer
from yaoki.llm.seams.continuing import Prefill
from yaoki.llm.streams.watcher import PlainTransport, WatchedTransport
from yaoki.llm.upstreams.pydantic_upstream import ChatRequest, PydanticUpstream
from yaoki.llm.upstreams.unread import UnreadModel, unconverted
from yaoki.llm.wire.connections import CONNECT_S, OPENAI_URL
from yaoki.llm.wire.request import WireRequest

_PLACEHOLDER_URL = "http://127.0.0.1:9/v1"
_NO_KEY = "none"
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=20)


class OpenAIChat(PydanticUpstream):
    """A watched model, at an address that may change.

    Args:
        model: The provider's name of it.
        base_url: Asked before each request; a callable may raise `ModelUnavailableError`.
        api_key: Empty where the server wants none; `OPENAI_API_KEY` is never read.
        max_output_tokens: Asked of the provider, and enforced where it does not listen.
        prefill: How its backend wants a prefill.
        transport: What talks under the watcher; None: HTTP/1.1 with a pool of its own.
    """

    def __init__(
        self,
        model: str,
        base_url: str | Callable[[], str],
        api_key: str,
        *,
        max_output_tokens: int,
        prefill: Prefill,
        transport: httpx2.AsyncBaseTransport | None,
    ) -> None:
        own = base_url == OPENAI_URL
        transport = transport or httpx2.AsyncHTTPTransport(limits=_LIMITS)
        profile = OpenAIModelProfile(
            openai_chat_streaming_requires_finish_reason=True, openai_chat_supports_max_completion_tokens=own
        )

        def provider(transport: httpx2.AsyncBaseTransport) -> Provider[AsyncOpenAI]:
            client = _client(_PLACEHOLDER_URL if callable(base_url) else base_url, api_key, transport)
            if own:
                return OpenAIProvider(openai_client=client)
            return OpenAICompatibleProvider("openai", openai_client=client)

        chat = OpenAIChatModel(model, provider=provider(WatchedTransport(transport)), profile=profile)
        unread = UnreadModel(model, provider=provider(PlainTransport(transport)), profile=profile)
        unconverted(unread.client)
        super().__init__(chat, max_output_tokens=max_output_tokens, verified=True, prefill=prefill, unread=unread)
        self._clients = chat.client, unread.client
        self._base_url = base_url

    async def stream(self, request: ChatRequest | WireRequest, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        """See `Upstream.stream`. An address that is not known now raises `ModelUnavailableError`."""
        if callable(self._base_url):
            base_url = self._base_url()
            for client in self._clients:
                client.base_url = base_url
        async with aclosing(super().stream(request, half)) as deltas:
            async for delta in deltas:
                yield delta

    async def aclose(self) -> None:
        """Close the clients and their connections."""
        for client in self._clients:
            await client.close()


def _client(base_url: str, api_key: str, transport: httpx2.AsyncBaseTransport) -> AsyncOpenAI:
    timeout = httpx2.Timeout(None, connect=CONNECT_S)
    http = httpx2.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)
    return AsyncOpenAI(base_url=base_url, api_key=api_key or _NO_KEY, max_retries=0, http_client=http, timeout=timeout)
