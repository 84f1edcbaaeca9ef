"""Upstreams for providers that do not speak OpenAI, by the names that pydantic-ai has for them.

Their streams are watched below their SDKs, Bedrock's inside it. SDK retries are off, redirects are not followed and no
proxy is taken from the environment; Bedrock's SDK finds region, credentials and proxies as AWS does.
"""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx2
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

from yaoki.errors import ConfigurationSettingError
from yaoki.llm.deltas import Delta, HalfAnswer
from yaoki.llm.streams import dialects
from yaoki.llm.streams.dialects import Judge
from yaoki.llm.streams.sdk_watch import WatchedTransport, bodies_closed
from yaoki.llm.streams.watcher import LINGER_S
from yaoki.llm.upstreams.pydantic_upstream import ChatRequest, PydanticUpstream
from yaoki.llm.upstreams.renaming import Renaming
from yaoki.llm.upstreams.sdks import ANTHROPIC_URL, missing_sdk
from yaoki.llm.wire.connections import CONNECT_S
from yaoki.llm.wire.request import WireRequest

_NO_KEY = "none"
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
_TIMEOUT = httpx2.Timeout(None, connect=CONNECT_S)
_LONGEST_READ_S = 60.0
"""How long a thread of Bedrock's SDK may wait for a byte: when the chain has long gone, it still does."""


@dataclass(frozen=True, slots=True)
class _Built:
    """A model, what closes its client, and what its SDK raises that neither pydantic-ai nor we rename."""

    model: Model
    close: Callable[[], Awaitable[None]]
    foreign: tuple[type[Exception], ...] = ()


class ProviderUpstream(PydanticUpstream):
    """A provider's model that nobody else uses.

    Args:
        built: The model, and what belongs to it.
    """

    def __init__(self, built: _Built, *, max_output_tokens: int) -> None:
        super().__init__(built.model, max_output_tokens=max_output_tokens, verified=True)
        self._renaming = Renaming(built.foreign)
        self._close = built.close

    async def stream(self, request: ChatRequest | WireRequest, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        """See `Upstream.stream`. Whoever leaves it half-way takes the connection along."""
        async with bodies_closed(), aclosing(super().stream(request, half)) as deltas:
            async for delta in deltas:
                yield delta

    async def aclose(self) -> None:
        """Close the client's connections."""
        await self._close()


def provider_upstream(
    provider: str, *, model: str, base_url: str = "", api_key: str = "", max_output_tokens: int = 4096
) -> ProviderUpstream:
    """An upstream for one model of a provider of `SDKS`.

    Args:
        model: The provider's name of the model.
        base_url: Empty: the provider's own.
        api_key: Empty: where the provider's SDK itself finds credentials, as Bedrock's does.
        max_output_tokens: Asked of the provider, and enforced where it does not listen.

    Raises:
        ConfigurationMissingExtraError: Its SDK is not installed.
        ConfigurationSettingError: It cannot be built from these settings.
    """
    missing = missing_sdk(provider)
    if missing is not None:
        raise missing
    try:
        built = _BUILDERS[provider](model, base_url or None, api_key or None)
    except (TypeError, ValueError, RuntimeError) as error:
        given = ", ".join(name for name, value in (("base_url", base_url), ("api_key", api_key)) if value)
        raise ConfigurationSettingError(
            f"The provider {provider!r} cannot be used with these settings ({given or 'no key'}): "
            "look at base_url, at api_key_env, and at the variables that its SDK reads.",
            provider=provider,
        ) from error
    return ProviderUpstream(built, max_output_tokens=max_output_tokens)


def _transport(judge: Judge, linger_s: float = LINGER_S) -> WatchedTransport:
    return WatchedTransport(httpx2.AsyncHTTPTransport(limits=_LIMITS), judge, linger_s=linger_s)


def _client(judge: Judge, linger_s: float = LINGER_S) -> httpx2.AsyncClient:
    transport = _transport(judge, linger_s)
    return httpx2.AsyncClient(transport=transport, timeout=_TIMEOUT, follow_redirects=False, trust_env=False)


def _legacy_client(judge: Judge) -> Any:
    """The same for SDKs that want the library before httpx2."""
    import httpx  # noqa: PLC0415 - comes with the SDKs that want it

    from yaoki.llm.upstreams.legacy_httpx import LegacyTransport  # noqa: PLC0415 - needs it

    timeout = httpx.Timeout(None, connect=CONNECT_S)
    transport = LegacyTransport(_transport(judge))
    return httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)


def _anthropic(model: str, base_url: str | None, api_key: str | None) -> _Built:
    from anthropic import AsyncAnthropic  # noqa: PLC0415 - an extra, and slow to import
    from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415 - needs it
    from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415 - needs it

    client = AsyncAnthropic(
        api_key=api_key or _NO_KEY,
        base_url=base_url or ANTHROPIC_URL,
        http_client=_client(dialects.anthropic),
        max_retries=0,
        timeout=_TIMEOUT,
    )
    plain = ModelSettings(framing_announcement="when_needed")  # a system prompt reaches the model as it was written
    return _Built(
        AnthropicModel(model, provider=AnthropicProvider(anthropic_client=client), settings=plain), client.close
    )


def _google(model: str, base_url: str | None, api_key: str | None) -> _Built:
    from pydantic_ai.models.google import GoogleModel  # noqa: PLC0415 - an extra, and slow to import
    from pydantic_ai.providers.google import GoogleProvider  # noqa: PLC0415 - needs it

    http = _client(dialects.google, dialects.GOOGLE_LINGER_S)
    provider = GoogleProvider(api_key=api_key, base_url=base_url, http_client=http)
    return _Built(GoogleModel(model, provider=provider), http.aclose)


def _mistral(model: str, base_url: str | None, api_key: str | None) -> _Built:
    from pydantic_ai.models.mistral import MistralModel  # noqa: PLC0415 - an extra, and slow to import
    from pydantic_ai.providers.mistral import MistralProvider  # noqa: PLC0415 - needs it

    http = _client(dialects.chat)
    provider = MistralProvider(api_key=api_key, base_url=base_url, http_client=http)
    return _Built(MistralModel(model, provider=provider), http.aclose)


def _groq(model: str, base_url: str | None, api_key: str | None) -> _Built:
    from pydantic_ai.models.groq import GroqModel  # noqa: PLC0415 - an extra, and slow to import
    from pydantic_ai.providers.groq import GroqProvider  # noqa: PLC0415 - needs it

    http = _legacy_client(dialects.chat)
    provider = GroqProvider(api_key=api_key, base_url=base_url, http_client=http)
    provider.client.max_retries = 0
    return _Built(GroqModel(model, provider=provider), http.aclose)


def _cohere(model: str, base_url: str | None, api_key: str | None) -> _Built:
    import httpx  # noqa: PLC0415 - comes with the SDK
    from cohere import AsyncClientV2  # noqa: PLC0415 - an extra, and slow to import
    from pydantic_ai.models.cohere import CohereModel  # noqa: PLC0415 - needs it
    from pydantic_ai.providers.cohere import CohereProvider  # noqa: PLC0415 - needs it

    api_key = api_key or os.environ.get("CO_API_KEY")
    if not api_key:
        raise ValueError("Cohere wants a key.")
    http = _legacy_client(dialects.cohere)
    client = AsyncClientV2(api_key=api_key, base_url=base_url, httpx_client=http)
    once = ModelSettings(max_retries=0)
    chat = CohereModel(model, provider=CohereProvider(cohere_client=client), settings=once)
    return _Built(chat, http.aclose, foreign=(httpx.HTTPError,))


def _bedrock(model: str, base_url: str | None, api_key: str | None) -> _Built:
    import anyio.to_thread  # noqa: PLC0415 - only here
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - an extra, and slow to import
    from pydantic_ai.models.bedrock import BedrockConverseModel  # noqa: PLC0415 - needs it
    from pydantic_ai.providers.bedrock import BedrockProvider  # noqa: PLC0415 - needs it

    from yaoki.llm.upstreams.bedrock_watch import watch_streams  # noqa: PLC0415 - needs it

    known = {name: value for name, value in (("base_url", base_url), ("api_key", api_key)) if value}
    provider: Any = BedrockProvider(**known, aws_read_timeout=_LONGEST_READ_S, aws_connect_timeout=CONNECT_S)
    watch_streams(provider.client)

    async def close() -> None:
        await anyio.to_thread.run_sync(provider.client.close)

    return _Built(BedrockConverseModel(model, provider=provider), close, foreign=(BotoCoreError,))


_BUILDERS: dict[str, Callable[[str, str | None, str | None], _Built]] = {
    "anthropic": _anthropic,
    "google": _google,
    "groq": _groq,
    "mistral": _mistral,
    "cohere": _cohere,
    "bedrock": _bedrock,
}
