"""Somebody's own pydantic-ai model as an upstream: watched where it speaks OpenAI's chat completions.

The model keeps its client, and with it proxies, certificates, hooks and keys: the watched twin sends through it. Only
the SDK's retries are switched off, since the chain retries within one budget.
"""

from typing import TypeVar

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

_Kind = TypeVar("_Kind", bound=OpenAIChatModel)


def upstream_of(model: Model, *, max_output_tokens: int | None = None) -> PydanticUpstream:
    """An upstream for a model that its owner closes.

    Args:
        model: Any. `OpenAIChatModel` itself is watched; every other one, its subclasses too, is trusted to report its
            own cuts, and is left unverified.
        max_output_tokens: Asked of the provider; None: what the model's own settings say.
    """
    client: object = getattr(model, "client", None)
    if isinstance(getattr(client, "max_retries", None), int):
        setattr(client, "max_retries", 0)  # noqa: B010 - whichever SDK it is, they agree on this name
    if type(model) is not OpenAIChatModel:
        in_process = isinstance(model, TestModel | FunctionModel)
        return PydanticUpstream(model, max_output_tokens=max_output_tokens, in_process=in_process)
    through = _Through(model)
    unread = None
    if may_be_unread(model.profile):
        unread = _twin(model, UnreadModel, unconverted(_client(model, PlainTransport(through))))
    watched = _twin(model, OpenAIChatModel, _client(model, WatchedTransport(through)))
    return PydanticUpstream(watched, max_output_tokens=max_output_tokens, verified=True, unread=unread)


def _client(model: OpenAIChatModel, transport: httpx2.AsyncBaseTransport) -> AsyncOpenAI:
    """A copy of the model's client whose answers pass by `transport`."""
    timeout = httpx2.Timeout(None, connect=CONNECT_S)
    http = httpx2.AsyncClient(transport=transport, timeout=timeout, trust_env=False)
    return model.client.copy(http_client=http, max_retries=0, timeout=timeout)


def _twin(model: OpenAIChatModel, kind: type[_Kind], client: AsyncOpenAI) -> _Kind:
    """The same model with another client."""
    return kind(
        model.model_name,
        provider=OpenAICompatibleProvider(model.system, openai_client=client),
        profile={**model.profile, **OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)},
        settings=model.settings,
    )


class _Through(httpx2.AsyncBaseTransport):
    """Sends by the HTTP client that `model` has at that moment: pydantic-ai replaces it in another event loop."""

    def __init__(self, model: OpenAIChatModel) -> None:
        self._model = model

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, without following redirects."""
        client = self._model.client._client  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - no public way to it
        return await client.send(request, stream=True, follow_redirects=False)
