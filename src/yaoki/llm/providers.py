"""Upstreams for providers that do not speak OpenAI, by the names that pydantic-ai has for them.

Anthropic's streams are watched. The others' are taken from their SDKs as they come; pydantic-ai does not give a finish
reason for a stream that was cut, and an answer without one is never taken for whole.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx2
from pydantic_ai.models import Model, infer_model
from pydantic_ai.providers import Provider, infer_provider_class
from pydantic_ai.settings import ModelSettings

from yaoki.errors import ConfigurationSettingError
from yaoki.llm.anthropic_watch import WatchedAnthropicTransport
from yaoki.llm.pydantic_upstream import PydanticUpstream
from yaoki.llm.sdks import ANTHROPIC_URL, missing_sdk
from yaoki.llm.watched_model import upstream_of
from yaoki.llm.wire.connections import CONNECT_S

_NO_KEY = "none"
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=20)


class ProviderUpstream(PydanticUpstream):
    """A provider's model that nobody else uses.

    Args:
        close: Ends its client's connections.
        verified: See `PydanticUpstream`.
    """

    def __init__(
        self, model: Model, close: Callable[[], Awaitable[None]], *, max_output_tokens: int, verified: bool = False
    ) -> None:
        super().__init__(model, max_output_tokens=max_output_tokens, verified=verified)
        self._close = close

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
    if provider == "anthropic":
        return _anthropic(model, base_url, api_key, max_output_tokens)
    known = {name: value for name, value in (("base_url", base_url), ("api_key", api_key)) if value}
    try:
        built = infer_provider_class(provider)(**known)
        named = infer_model(f"{provider}:{model}", provider_factory=lambda _: built)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigurationSettingError(
            f"The provider {provider!r} cannot be used with these settings ({', '.join(known) or 'no key'}): "
            "look at base_url, at api_key_env, and at the variables that its SDK reads.",
            provider=provider,
        ) from error
    return ProviderUpstream(upstream_of(named).model, partial(_let_go, built), max_output_tokens=max_output_tokens)


async def _let_go(provider: Provider[Any]) -> None:
    """Close the client that the provider has made for itself."""
    async with provider:
        pass


def _anthropic(model: str, base_url: str, api_key: str, max_output_tokens: int) -> ProviderUpstream:
    from anthropic import AsyncAnthropic  # noqa: PLC0415 - an extra, and slow to import
    from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415 - needs it
    from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415 - needs it

    timeout = httpx2.Timeout(None, connect=CONNECT_S)
    http = httpx2.AsyncClient(
        transport=WatchedAnthropicTransport(httpx2.AsyncHTTPTransport(limits=_LIMITS)),
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
    )
    client = AsyncAnthropic(
        api_key=api_key or _NO_KEY,
        base_url=base_url or ANTHROPIC_URL,
        http_client=http,
        max_retries=0,
        timeout=timeout,
    )
    plain = ModelSettings(framing_announcement="when_needed")  # a system prompt reaches the model as it was written
    chat = AnthropicModel(model, provider=AnthropicProvider(anthropic_client=client), settings=plain)
    return ProviderUpstream(chat, client.close, max_output_tokens=max_output_tokens, verified=True)
