"""Somebody's own pydantic-ai model as an upstream: watched where it speaks OpenAI's chat completions.

The model keeps its client, and with it proxies, certificates, hooks and keys: the watched twin sends through it. Only
the SDK's retries are switched off, since the chain retries within one budget.
"""

from copy import copy

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.models import Model
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from yaoki.llm.pydantic_upstream import PydanticUpstream
from yaoki.llm.unread import UnreadModel, may_be_unread, unconverted
from yaoki.llm.upstreams import CONNECT_S
from yaoki.llm.watcher import PlainTransport, WatchedTransport

_MISSING = "_missing_finish_reason"


def upstream_of(model: Model, *, max_output_tokens: int | None = None) -> PydanticUpstream:
    """An upstream for a model that its owner closes.

    Args:
        model: Any. `OpenAIChatModel` and its kin (Ollama's, OpenRouter's, …) are watched; every other one is trusted to
            report its own cuts, and is left unverified.
        max_output_tokens: Asked of the provider; None: what the model's own settings say.
    """
    client: object = getattr(model, "client", None)
    if isinstance(getattr(client, "max_retries", None), int):
        setattr(client, "max_retries", 0)  # noqa: B010 - whichever SDK it is, they agree on this name
    if not isinstance(model, OpenAIChatModel) or _ends_without_a_word(model):
        in_process = isinstance(model, TestModel | FunctionModel)
        return PydanticUpstream(model, max_output_tokens=max_output_tokens, in_process=in_process)
    through = _Through(model)
    unread = None
    if type(model) is OpenAIChatModel and may_be_unread(model.profile):
        own = unconverted(_client(model, PlainTransport(through)))
        unread = UnreadModel(
            model.model_name, provider=_provider(model, own), profile=_strict(model), settings=model.settings
        )
    watched = _client(model, WatchedTransport(through))
    twin = _twin(model, watched)
    verified = twin.client is watched
    return PydanticUpstream(twin, max_output_tokens=max_output_tokens, verified=verified, unread=unread)


def _ends_without_a_word(model: OpenAIChatModel) -> bool:
    """Whether its provider is known to give no finish reason (Snowflake for Claude), so that an end says nothing."""
    return getattr(type(model), _MISSING) is not getattr(OpenAIChatModel, _MISSING)


def _client(model: OpenAIChatModel, transport: httpx2.AsyncBaseTransport) -> AsyncOpenAI:
    """A copy of the model's client whose answers pass by `transport`."""
    timeout = httpx2.Timeout(None, connect=CONNECT_S)
    http = httpx2.AsyncClient(transport=transport, timeout=timeout, trust_env=False)
    return model.client.copy(http_client=http, max_retries=0, timeout=timeout)


def _twin(model: OpenAIChatModel, client: AsyncOpenAI) -> OpenAIChatModel:
    """The same model, of whichever class, with another client."""
    twin = copy(model)
    vars(twin).pop("profile", None)  # it is made of the two below, and kept
    vars(twin).update(_provider=_provider(model, client), _profile=_strict(model))
    return twin


def _provider(model: OpenAIChatModel, client: AsyncOpenAI) -> OpenAICompatibleProvider:
    return OpenAICompatibleProvider(model.system, openai_client=client)


def _strict(model: OpenAIChatModel) -> OpenAIModelProfile:
    """Its profile, by which a stream without a finish reason is an error."""
    return {**model.profile, **OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)}


class _Through(httpx2.AsyncBaseTransport):
    """Sends by the HTTP client that `model` has at that moment: pydantic-ai replaces it in another event loop."""

    def __init__(self, model: OpenAIChatModel) -> None:
        self._model = model

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, without following redirects."""
        client = self._model.client._client  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - no public way to it
        return await client.send(request, stream=True, follow_redirects=False)
