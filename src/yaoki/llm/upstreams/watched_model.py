"""Somebody's own pydantic-ai model as an upstream: watched where it speaks OpenAI's chat completions or is Anthropic's.

The model keeps its client, and with it proxies, certificates, hooks and keys: the watched twin sends through it. Only
the SDK's retries are switched off, since the chain retries within one budget.
"""

from copy import copy
from typing import Any, TypeVar, cast

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from yaoki.llm.streams import dialects, sdk_watch
from yaoki.llm.streams.watcher import PlainTransport, WatchedTransport
from yaoki.llm.upstreams.in_process import in_process
from yaoki.llm.upstreams.pydantic_upstream import PydanticUpstream
from yaoki.llm.upstreams.unread import UnreadModel, may_be_unread, unconverted
from yaoki.llm.wire.connections import CONNECT_S

_MISSING = "_missing_finish_reason"
_ANTHROPIC = "AsyncAnthropic"
"""Its own client: those for Anthropic's models at Bedrock and Vertex get their events in other frames."""
_TIMEOUT = httpx2.Timeout(None, connect=CONNECT_S)
_Kind = TypeVar("_Kind")


def upstream_of(model: Model, *, max_output_tokens: int | None = None) -> PydanticUpstream:
    """An upstream for a model that its owner closes.

    Args:
        model: Any. `OpenAIChatModel` and its kin (Ollama's, OpenRouter's, …) are watched, and Anthropic's are, within
            wrappers and `FallbackModel`s, too; every other one is trusted to report its own cuts: it is unverified.
        max_output_tokens: Asked of the provider; None: what the model's own settings say.
    """
    unread = None
    if type(model) is OpenAIChatModel and may_be_unread(model.profile):
        own = unconverted(_client(model, PlainTransport(_Through(model))))
        unread = UnreadModel(
            model.model_name, provider=_provider(model, own), profile=_strict(model), settings=model.settings
        )
    twin, verified = _watched(model)
    return PydanticUpstream(
        twin,
        max_output_tokens=max_output_tokens,
        verified=verified,
        in_process=in_process(model),
        unread=unread,
    )


def _watched(model: Model) -> tuple[Model, bool]:
    """The same with a watcher under every SDK that there is one for, and whether all are watched."""
    client: object = getattr(model, "client", None)
    if isinstance(getattr(client, "max_retries", None), int):
        setattr(client, "max_retries", 0)  # noqa: B010 - whichever SDK it is, they agree on this name
    match model:
        case WrapperModel():
            wrapped, watched = _watched(model.wrapped)
            return _like(model, wrapped=wrapped), watched
        case FallbackModel():
            inner = [_watched(one) for one in model.models]
            return _like(model, models=[one for one, _ in inner]), all(watched for _, watched in inner)
        case OpenAIChatModel() if not _ends_without_a_word(model):
            own = _client(model, WatchedTransport(_Through(model)))
            twin = _like(model, _provider=_provider(model, own), _profile=_strict(model))
            vars(twin).pop("profile", None)  # it is made of these two, and kept
            return twin, twin.client is own
        case _ if type(client).__qualname__ == _ANTHROPIC:
            http = _http(sdk_watch.WatchedTransport(_Through(model), dialects.anthropic))
            own = cast("Any", client).copy(http_client=http, max_retries=0, timeout=_TIMEOUT)
            twin = _like(model, _provider=_like(vars(model)["_provider"], _client=own))
            return twin, getattr(twin, "client", None) is own
        case _:
            return model, False


def _like(model: _Kind, **other: object) -> _Kind:
    """A copy with other attributes."""
    twin = copy(model)
    vars(twin).update(other)
    return twin


def _ends_without_a_word(model: OpenAIChatModel) -> bool:
    """Whether its provider is known to give no finish reason (Snowflake for Claude), so that an end says nothing."""
    return getattr(type(model), _MISSING) is not getattr(OpenAIChatModel, _MISSING)


def _client(model: OpenAIChatModel, transport: httpx2.AsyncBaseTransport) -> AsyncOpenAI:
    """A copy of the model's client whose answers pass by `transport`."""
    return model.client.copy(http_client=_http(transport), max_retries=0, timeout=_TIMEOUT)


def _http(transport: httpx2.AsyncBaseTransport) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=transport, timeout=_TIMEOUT, trust_env=False)


def _provider(model: OpenAIChatModel, client: AsyncOpenAI) -> OpenAICompatibleProvider:
    return OpenAICompatibleProvider(model.system, openai_client=client)


def _strict(model: OpenAIChatModel) -> OpenAIModelProfile:
    """Its profile, by which a stream without a finish reason is an error."""
    return {**model.profile, **OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)}


class _Through(httpx2.AsyncBaseTransport):
    """Sends by the HTTP client that `model` has at that moment: pydantic-ai replaces it in another event loop."""

    def __init__(self, model: Model) -> None:
        self._model: Any = model

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, without following redirects."""
        client: httpx2.AsyncClient = self._model.client._client  # noqa: SLF001 - no public way to it
        return await client.send(request, stream=True, follow_redirects=False)
