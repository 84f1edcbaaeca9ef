"""An OpenAI chat model that only asks: the SDK sends the request, and the answer's bytes are read by our own reader.

The SDK and pydantic-ai spend fifty times as much on a chunk as we do. Where nobody watches pydantic-ai's events, all
that the chain needs of an answer are its deltas, and those are here what the SDK's way would have made of it.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import httpx2
from openai import AsyncOpenAI, AsyncStream, NotGiven, Omit
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic_ai.messages import PartDeltaEvent, TextPartDelta, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings, OpenAIStreamedResponse
from pydantic_ai.profiles import DEFAULT_THINKING_TAGS, ModelProfile

from yaoki.errors import AIOrchestrationError, ModelMalformedError
from yaoki.llm.chat_stream import ChatStream, Chunk
from yaoki.llm.deltas import Delta, Reasoning, Text, ToolCall, Usage
from yaoki.llm.details import CallDetails, ThinkingDetails
from yaoki.llm.failures import rename
from yaoki.llm.watcher import DRAIN_S, LINGER_S
from yaoki.llm.wire.deltas import REFUSAL, WireDeltas

if TYPE_CHECKING:
    from pydantic_ai._special_tokens import StreamRestorer

_NO_PART = -1
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


class UnreadResponse(OpenAIStreamedResponse):
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
        chat, body = ChatStream(), stream.response.aiter_bytes()
        try:
            more = True
            while more and not chat.complete:
                chunks, more = await _next(chat, body)
                for delta in found.take(chunks):
                    yield delta
            for delta in found.ending():
                yield delta
        finally:
            await _leave(body, DRAIN_S if chat.complete else 0.0)


class ChatDeltas:
    """Follows one response: chunks in, and out the deltas that pydantic-ai's own reading of them would have led to.

    Args:
        provider: Who wants its reasoning back.
        profile: The model's, in pydantic-ai's words. Text that is one of its thinking tags, as a chunk of its own,
            begins or ends reasoning.
        restorer: Takes out of the answer what pydantic-ai has put into special tokens of the request; None: nothing.
        offered: See `WireDeltas`.
    """

    __slots__ = ("_provider", "_restorer", "_skips", "_tagged", "_tags", "_thought", "_wire")

    def __init__(
        self, provider: str, profile: Mapping[str, Any], restorer: "StreamRestorer | None", *, offered: bool
    ) -> None:
        self._wire = WireDeltas(offered=offered)
        self._provider = provider
        self._restorer = restorer
        self._tags: tuple[str, str] = profile.get("thinking_tags", DEFAULT_THINKING_TAGS)
        self._skips = bool(profile.get("ignore_streamed_leading_whitespace"))
        self._tagged = False
        self._thought: ThinkingDetails | None = None

    def take(self, chunks: list[Chunk]) -> Iterator[Delta]:
        """The signs of life in some chunks.

        Raises:
            ModelMalformedError: As `WireDeltas.take`.
        """
        texts = list(map(_once, chunks))
        tagged = self._tags[0] in texts or self._tags[1] in texts
        for group in [[chunk] for chunk in chunks] if tagged else [chunks]:
            for delta in self._wire.take(group):
                named = self._named(delta)
                if type(named) is Text:
                    yield from self._text(named)
                elif named is not None:
                    yield from self._rest()
                    yield named

    def ending(self) -> Iterator[Delta]:
        """What is only known once the terminator was seen.

        Raises:
            ModelMalformedError: As `WireDeltas.ending`.
        """
        yield from self._rest()
        for delta in self._wire.ending():
            match delta:
                case ToolCall():
                    yield self._call(delta)
                case Usage():
                    if delta.input_tokens or delta.output_tokens:
                        yield Usage(delta.input_tokens, delta.output_tokens)
                case _:
                    yield delta

    def _named(self, delta: Delta) -> Delta | None:
        match delta:
            case Text(text=text) if text == self._tags[0] and not self._tagged:
                self._tagged = True
                return self._think("", "content")
            case Text(text=text) if self._tagged:
                self._tagged = text != self._tags[1]
                return self._think(text, "content") if self._tagged else None
            case Reasoning():
                return None if delta.details == REFUSAL else self._think(delta.text, delta.details)
            case _:
                self._thought = None
                return delta

    def _text(self, delta: Text) -> Iterator[Text]:
        if self._skips and delta.text.isspace():
            return
        self._skips = False
        if self._restorer is None:
            yield delta
        else:
            yield from _texts([self._restorer.restore(_said(delta.text))])

    def _rest(self) -> Iterator[Text]:
        """What the restorer has held back, now that the text is at an end."""
        if self._restorer is not None:
            yield from _texts(self._restorer.flush_text())

    def _think(self, text: str, field: str) -> Reasoning:
        """Reasoning that is one with the piece before it, if that came in the same field."""
        if self._thought is None or self._thought.id != field:
            self._thought = ThinkingDetails(key=object(), id=field, provider_name=self._provider)
        return Reasoning(text, self._thought)

    def _call(self, call: ToolCall) -> ToolCall:
        extra: object = cast("dict[str, Any]", call.details or {}).get("extra_content")
        details = CallDetails(provider_name=self._provider, provider_details={"extra_content": extra})
        arguments = call.arguments or "{}"
        if self._restorer is not None:
            arguments = str(self._restorer.restore_part_so_far(_NO_PART, ToolCallPart(call.name, arguments)).args)
        return ToolCall(call.name, arguments, details=details if extra else CallDetails())


def _said(text: str) -> PartDeltaEvent:
    return PartDeltaEvent(index=0, delta=TextPartDelta(content_delta=text))


def _texts(events: Iterable[object]) -> Iterator[Text]:
    for event in events:
        match event:
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                yield Text(text)
            case _:
                pass


def _once(chunk: Chunk) -> object:
    """The chunk's text. Reasoning that it tells twice, in both of the usual fields, is told once from now on."""
    for choice in chunk["choices"]:
        delta: dict[str, Any] = choice.get("delta") or {}
        if delta.get("reasoning") and delta.get("reasoning_content"):
            del delta["reasoning_content"]
        content: object = delta.get("content")
        return content if isinstance(content, str) else None
    return None


async def _next(chat: ChatStream, body: AsyncIterator[bytes]) -> tuple[list[Chunk], bool]:
    """The chunks of the next piece, and whether there may be more. After the terminator nothing is a fault.

    Raises:
        ModelInferenceError: The body breaks off, or `chat` finds a fault.
    """
    try:
        async with asyncio.timeout(LINGER_S if chat.finished else None):
            raw = await anext(body, b"")
        return (chat.feed(raw), True) if raw else (chat.close(), False)
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
