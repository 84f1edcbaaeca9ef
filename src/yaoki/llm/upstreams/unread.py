"""An OpenAI chat model that only asks: the SDK sends the request, and the answer's bytes are read by our own reader.

The SDK and pydantic-ai spend fifty times as much on a chunk as we do. Where nobody watches pydantic-ai's events, all
that the chain needs of an answer are its deltas, and those are here what the SDK's way would have made of it.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any, cast

import httpx2
from openai import AsyncOpenAI, AsyncStream, NotGiven, Omit
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings, OpenAIStreamedResponse
from pydantic_ai.profiles import ModelProfile

from yaoki.errors import AIOrchestrationError, ModelMalformedError
from yaoki.llm.deltas import Delta, GivesDeltas
from yaoki.llm.failures import rename
from yaoki.llm.streams.chat_stream import ChatStream, Chunk
from yaoki.llm.streams.watcher import DRAIN_S, Lingering
from yaoki.llm.upstreams.chat_deltas import ChatDeltas

_FIELDS = (None, "reasoning", "reasoning_content")
_BREAKS = (httpx2.HTTPError, OSError, zlib.error)
"""How a body may break off, or be too late."""


def may_be_unread(profile: ModelProfile) -> bool:
    """Whether the field that such a model thinks in is one that our reader knows."""
    return cast("dict[str, Any]", profile).get("openai_chat_thinking_field") in _FIELDS


def unconverted(client: AsyncOpenAI) -> AsyncOpenAI:
    """Let `client`, which nobody else uses, send chat requests as they are given; its streams may be asked for alone.

    The SDK walks through every message first, to give fields other names and to read files. No field of this request
    has another name, and pydantic-ai has read the files.
    """
    setattr(client.chat.completions, "create", partial(_ask, client))  # noqa: B010 - there is no option for it
    return client


async def _ask(client: AsyncOpenAI, **asked: Any) -> AsyncStream[ChatCompletionChunk]:
    given = {name: value for name, value in asked.items() if not isinstance(value, NotGiven | Omit)}
    extras = {"headers": given.pop("extra_headers", None), "extra_json": given.pop("extra_body", None)}
    options = {name: value for name, value in extras.items() if value is not None}
    if "timeout" in given:
        options["timeout"] = given.pop("timeout")
    return await client.post(
        "/chat/completions",
        body=given,
        options=cast("Any", options),
        cast_to=ChatCompletion,
        stream=True,
        stream_cls=AsyncStream[ChatCompletionChunk],
    )


class UnreadModel(OpenAIChatModel):
    """Its streams are `UnreadResponse`s. What is below its client must hand out plain bytes."""

    async def _process_streamed_response(
        self,
        response: AsyncStream[ChatCompletionChunk],
        model_request_parameters: ModelRequestParameters,
        model_settings: OpenAIChatModelSettings | None = None,
    ) -> OpenAIStreamedResponse:
        return UnreadResponse(
            model_request_parameters=model_request_parameters,
            _model_name=self.model_name,
            _model_profile=self.profile,
            _response=cast("Any", response),
            _provider_name=self.system,
            _model_id_namespace=self._provider.model_id_namespace,
            _provider_url=self.base_url or "",
            _model_settings=model_settings,
        )


class UnreadResponse(OpenAIStreamedResponse, GivesDeltas):
    """One answer of an `UnreadModel`."""

    async def deltas(self, *, offered: bool) -> AsyncGenerator[Delta, None]:
        """The answer, judged by the same rules as under the SDK; may be iterated once, instead of the response itself.

        Args:
            offered: See `WireDeltas`.

        Raises:
            ModelInferenceError: It is no whole answer. Closing the generator leaves the body.
        """
        stream = cast("AsyncStream[ChatCompletionChunk]", self._response)
        found = ChatDeltas(
            self.provider_name,
            cast("dict[str, Any]", self._model_profile),
            self._parts_manager.special_token_restorer,
            offered=offered,
        )
        chat, body, lingering = ChatStream(), stream.response.aiter_bytes(), Lingering()
        try:
            more = True
            while more and not chat.complete:
                chunks, more = await _next(chat, body, lingering.rest_s(finished=chat.finished))
                for delta in found.take(chunks):
                    yield delta
                if chat.fault is not None:
                    raise chat.fault
            for delta in found.ending():
                yield delta
        finally:
            await _leave(body, DRAIN_S if chat.complete else 0.0)


async def _next(chat: ChatStream, body: AsyncIterator[bytes], wait_s: float | None) -> tuple[list[Chunk], bool]:
    """The chunks of the next piece, and whether there may be more. After the terminator nothing is a fault.

    Raises:
        ModelInferenceError: The body breaks off.
    """
    try:
        async with asyncio.timeout(wait_s):
            raw = await anext(body, None)
        return (chat.close(), False) if raw is None else (chat.feed(raw), True)
    except (AIOrchestrationError, *_BREAKS) as error:
        if chat.finished:
            return [], False
        if isinstance(error, AIOrchestrationError):
            raise
        raise rename(error) or ModelMalformedError("The answer cannot be read.", fault="unreadable") from error


async def _leave(body: AsyncIterator[bytes], wait_s: float) -> None:
    """Read a body that is at its end to it, so that its connection can serve again; let go of any other one.

    A body is layers of generators. The timeout's cancellation ends them from the innermost outwards, at once.
    """
    with suppress(AIOrchestrationError, *_BREAKS):
        async with asyncio.timeout(wait_s):
            async for _ in body:
                pass
