"""Any pydantic-ai model as an upstream of the chain.

The chain judges a stream by its terminator. Where a watcher sits under the provider's SDK, a cut is raised there,
before the SDK can call it a success; elsewhere pydantic-ai's own word is all there is, and the upstream is unverified.
"""

import math
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, cast

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings

from yaoki.errors import ModelMalformedError, ModelTruncatedError
from yaoki.llm.deltas import (
    Delta,
    Finish,
    FinishReason,
    GivesDeltas,
    HalfAnswer,
    Reasoning,
    Text,
    ToolCall,
    ToolCallPiece,
    Usage,
)
from yaoki.llm.seams.continuing import (
    CHARS_PER_TOKEN,
    PING,
    PLAIN_PREFILL,
    PROBE_PREFIX,
    PROBE_QUESTION,
    PROBE_TOKENS,
    Prefill,
    instruction,
    is_prefilled,
    left_of,
)
from yaoki.llm.upstreams.details import CallDetails, ThinkingDetails
from yaoki.llm.upstreams.in_process import can_answer_whole, can_stream
from yaoki.llm.upstreams.renaming import FOREIGN, Renaming
from yaoki.llm.wire.conversion import converted
from yaoki.llm.wire.request import WireRequest

_FINISH: dict[str, FinishReason] = {"tool_call": "tool_calls", "length": "length", "content_filter": "content_filter"}
_NO_TOOLS = ModelRequestParameters()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """What pydantic-ai asks a model, kept as it came: every candidate prepares it for itself.

    Attributes:
        whole: Nobody watches the answer grow.
    """

    messages: Sequence[ModelMessage]
    parameters: ModelRequestParameters
    settings: ModelSettings | None = None
    whole: bool = False


class PydanticUpstream:
    """Streams one pydantic-ai model.

    Args:
        model: Its SDK's own retries must be off: only the chain retries.
        max_output_tokens: Asked of the provider; a request's own, lower `max_tokens` wins. None: nothing is asked.
        verified: A watcher sits under the SDK, so a cut cannot pass for a success.
        prefill: How its backend wants a prefill, where others ask the same one.
        in_process: Nothing between us and the model can be cut: such models give no finish reason, and where their
            stream ends, the answer does. See `in_process.py`.
        unread: The same model for answers that nobody watches grow, where there is such a one: an `UnreadModel`.

    Attributes:
        straight: The model may be asked for a whole response: there is nothing to watch about it.
        verified: As given. An unverified upstream is trusted to report its own cuts.
    """

    def __init__(
        self,
        model: Model,
        *,
        max_output_tokens: int | None = 4096,
        verified: bool = False,
        prefill: Prefill | None = None,
        in_process: bool = False,
        unread: Model | None = None,
    ) -> None:
        self._renaming = Renaming()
        self._unread = unread
        self._in_process = in_process
        self._streams = can_stream(model)
        self.straight = in_process and can_answer_whole(model)
        self.model = model
        self.verified = verified
        self._max_output_tokens = max_output_tokens
        self._prefill = prefill or Prefill()

    async def stream(self, request: ChatRequest | WireRequest, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        """Answer, or go on with half an answer. See `Upstream.stream`."""
        if isinstance(request, WireRequest):
            request = self._converted(request)
        body = self._prefill.body if half is not None and half.mode == "prefill" else PLAIN_PREFILL
        settings = self._settings(request.settings, self._max_output_tokens, body, half)
        messages = [*request.messages, *(_continued(half) if half else ())]
        model = self._unread if request.whole and self._unread is not None else self.model
        whole = self.straight and request.whole
        async with aclosing(self._deltas(messages, settings, request.parameters, model, whole=whole)) as deltas:
            async for delta in deltas:
                yield delta

    async def whole(
        self, messages: Sequence[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> ModelResponse:
        """The model's own response, for whoever watches nothing; only if it is `straight`.

        Raises:
            ModelInferenceError: Whatever went wrong, renamed. Cancelling ends the request.
        """
        if self._max_output_tokens is not None:
            settings = self._settings(settings, self._max_output_tokens, PLAIN_PREFILL)
        with self._renaming:
            prepared = self.model.prepare_messages([*messages], parameters)
            return await self.model.request(prepared, settings, parameters)

    async def honours_prefill(self) -> bool:
        """See `Upstream.honours_prefill`. Tries the plain way and vLLM's, and remembers which one works."""
        return await self._prefill.learn(self._goes_on)

    async def ping(self) -> None:
        """See `Upstream.ping`."""
        messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(PING)])]
        async with aclosing(self._deltas(messages, self._settings(None, 1, PLAIN_PREFILL), _NO_TOOLS)) as deltas:
            async for _ in deltas:
                pass

    async def aclose(self) -> None:
        """Nothing of its own: whoever made the model's client closes it."""

    def _converted(self, request: WireRequest) -> ChatRequest:
        """What a client of the base URL asks, in this model's words."""
        native_json = bool(self.model.profile.get("supports_json_schema_output"))
        messages, parameters, settings = converted(request, native_json=native_json)
        return ChatRequest(messages=messages, parameters=parameters, settings=settings)

    async def _goes_on(self, body: dict[str, Any]) -> bool:
        """Whether the backend continues the sentence instead of beginning one."""
        if body and "extra_body" in self.model.unsupported_settings:
            return False  # there is no way to say it
        messages: list[ModelMessage] = [
            ModelRequest(parts=[UserPromptPart(PROBE_QUESTION)]),
            ModelResponse(parts=[TextPart(PROBE_PREFIX)]),
        ]
        settings = self._settings(None, PROBE_TOKENS, body)
        text = ""
        async with aclosing(self._deltas(messages, settings, _NO_TOOLS)) as deltas:
            async for delta in deltas:
                text += delta.text if isinstance(delta, Text) else ""
        return is_prefilled(text)

    def _settings(
        self,
        asked: ModelSettings | None,
        max_tokens: int | None,
        body: dict[str, Any],
        half: HalfAnswer | None = None,
    ) -> ModelSettings:
        settings: dict[str, Any] = dict(asked or {})
        if settings.get("max_tokens"):
            settings["max_tokens"] = left_of(settings["max_tokens"], half)
        if max_tokens is not None:
            settings["max_tokens"] = min(settings.get("max_tokens") or math.inf, max_tokens)
        if body:
            settings["extra_body"] = {**cast("dict[str, Any]", settings.get("extra_body") or {}), **body}
        return cast("ModelSettings", settings)

    async def _deltas(
        self,
        messages: list[ModelMessage],
        settings: ModelSettings,
        parameters: ModelRequestParameters,
        model: Model | None = None,
        *,
        whole: bool = False,
    ) -> AsyncGenerator[Delta, None]:
        model = model or self.model
        offered = offers_tools(parameters, settings)
        with self._renaming:
            prepared = model.prepare_messages(messages, parameters)
            if whole or not self._streams:
                for delta in told(await model.request(prepared, settings, parameters), offered=offered):
                    yield delta
                return
            async with model.request_stream(prepared, settings, parameters) as response:
                unread = isinstance(response, GivesDeltas)
                found = response.deltas(offered=offered) if unread else self._read(response, offered=offered)
                async with aclosing(found):
                    async for delta in found:
                        yield delta

    async def _read(self, response: StreamedResponse, *, offered: bool) -> AsyncGenerator[Delta, None]:
        """The deltas in pydantic-ai's events."""
        stream_key = object()
        try:
            async for event in response:
                delta = _delta_of(event, stream_key)
                if delta is not None and (offered or type(delta) is not ToolCallPiece):
                    yield delta
        except GeneratorExit:
            await _unwind(response)
            raise
        for delta in _ending(response.get(), offered=offered, in_process=self._in_process):
            yield delta


async def _unwind(response: StreamedResponse) -> None:
    """Cut the connection, then let the generators that pydantic-ai and the SDK have nested run to their ends.

    Dropped half-way, each would be finalised by the loop in a task of its own, later, and in the wrong order.
    """
    with suppress(NotImplementedError, *FOREIGN):
        await response.cancel()
        async for _ in response:
            pass


def offers_tools(parameters: ModelRequestParameters, settings: ModelSettings | None) -> bool:
    """Whether there is a tool that the model may call."""
    choice: object = cast("dict[str, Any]", settings or {}).get("tool_choice")
    return bool(parameters.function_tools or parameters.output_tools) and choice != "none"


def prompt_tokens(messages: Sequence[ModelMessage]) -> int:
    """About how many tokens the messages' own text has."""
    contents = (getattr(part, "content", "") for message in messages for part in message.parts)
    return sum(len(content) for content in contents if isinstance(content, str)) // CHARS_PER_TOKEN


def told(whole: ModelResponse, *, offered: bool) -> Iterator[Delta]:
    """The deltas in a whole response of a model that does not stream.

    Raises:
        ModelInferenceError: It is no answer.
    """
    key = object()
    for index, part in enumerate(whole.parts):
        delta = _delta_of(PartStartEvent(index=index, part=part), key)
        if delta is not None and (offered or type(delta) is not ToolCallPiece):
            yield delta
    yield from _ending(whole, offered=offered, in_process=True)


def _continued(half: HalfAnswer) -> Iterator[ModelMessage]:
    """The messages that ask for the rest of an answer."""
    yield ModelResponse(parts=[TextPart(half.text.rstrip())])
    if half.mode == "instruction":
        yield ModelRequest(parts=[UserPromptPart(instruction(half))])


def _delta_of(event: object, stream_key: object) -> Delta | None:
    """The sign of life in a pydantic-ai event, if there is one."""
    match event:
        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) | PartStartEvent(part=TextPart(content=text)):
            return Text(text) if text else None
        case PartDeltaEvent(delta=ToolCallPartDelta(args_delta=arguments)):
            return ToolCallPiece(len(str(arguments or "")))
        case PartStartEvent(part=ToolCallPart(args=arguments)):
            return ToolCallPiece(len(str(arguments or "")))
        case PartDeltaEvent(delta=ThinkingPartDelta() as delta):
            details = ThinkingDetails(
                key=(stream_key, event.index),
                signature=delta.signature_delta,
                provider_name=delta.provider_name,
                provider_details=delta.provider_details,
            )
            return Reasoning(delta.content_delta or "", details)
        case PartStartEvent(part=ThinkingPart() as part):
            return reasoning(part, (stream_key, event.index))
        case _:
            return None


def arguments_of(call: ToolCallPart) -> str:
    """The JSON text as the model wrote it, where it wrote any."""
    return call.args if isinstance(call.args, str) else call.args_as_json_str()


def details_of(call: ToolCallPart) -> CallDetails:
    """What its provider wants back with it."""
    return CallDetails(provider_name=call.provider_name, provider_details=call.provider_details)


def reasoning(part: ThinkingPart, key: object) -> Reasoning:
    """A whole part of a model's thinking."""
    details = ThinkingDetails(
        key=key,
        id=part.id,
        signature=part.signature,
        provider_name=part.provider_name,
        provider_details=part.provider_details,
    )
    return Reasoning(part.content, details)


def _ending(whole: ModelResponse, *, offered: bool, in_process: bool) -> Iterator[Delta]:
    """What is only known once the stream has ended: whole tool calls, usage, the terminator.

    Args:
        offered: There were tools to call. Where there were none, a call is dropped; an answer that ends in one has not
            ended, and another model has to say the rest.

    Raises:
        ModelTruncatedError: pydantic-ai itself says that the stream did not end, or the provider that it failed.
        ModelMalformedError: It ended with a call of a tool that nobody had offered.
    """
    reason = whole.finish_reason
    if reason is None and in_process:
        reason = "stop"
    if reason is None or whole.state != "complete":
        raise ModelTruncatedError("The stream ended without a finish reason.", fault="cut")
    if reason == "error":
        raise ModelTruncatedError("The provider says that it broke the answer off.", fault="broken_finish")
    if reason == "stop" and any(isinstance(part, ToolCallPart) for part in whole.parts):
        reason = "tool_call"  # Google has no word of its own for it
    if reason == "tool_call" and not offered:
        raise ModelMalformedError("The model called a tool, and none was offered.", fault="unasked_call")
    for part in whole.parts:
        if isinstance(part, ToolCallPart) and offered:
            yield ToolCall(part.tool_name, arguments_of(part), details=details_of(part))
    if whole.usage.input_tokens or whole.usage.output_tokens:
        yield Usage(whole.usage.input_tokens, whole.usage.output_tokens)
    yield Finish(_FINISH.get(reason, "stop"))
