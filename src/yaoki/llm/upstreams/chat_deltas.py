"""Judged chunks of an OpenAI stream as the deltas that pydantic-ai's own reading of them would have led to. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, cast

from pydantic_ai.messages import ModelResponseStreamEvent, PartDeltaEvent, TextPartDelta, ToolCallPart
from pydantic_ai.profiles import DEFAULT_THINKING_TAGS

from yaoki.llm.deltas import Delta, Reasoning, Text, ToolCall, Usage
from yaoki.llm.streams.chat_stream import Chunk
from yaoki.llm.upstreams.details import CallDetails, ThinkingDetails
from yaoki.llm.wire.deltas import REFUSAL, WireDeltas

_NO_PART = -1


class Restorer(Protocol):
    """Takes out of an answer what pydantic-ai has put into special tokens of the request; its own, as far as needed."""

    def restore(self, event: ModelResponseStreamEvent) -> ModelResponseStreamEvent:
        """The event without it; the end of its text may be held back."""
        ...

    def flush_text(self) -> list[PartDeltaEvent]:
        """What of texts is held back."""
        ...

    def restore_part_so_far(self, index: int, part: ToolCallPart) -> ToolCallPart:
        """The part without it."""
        ...


class ChatDeltas:
    """Follows one response.

    Args:
        provider: Who wants its reasoning back.
        profile: The model's, in pydantic-ai's words. Text that is one of its thinking tags, as a chunk of its own,
            begins or ends reasoning.
        restorer: None: pydantic-ai has put nothing into the request.
        offered: See `WireDeltas`.
    """

    __slots__ = ("_provider", "_restorer", "_skips", "_tagged", "_tags", "_thought", "_wire")

    def __init__(self, provider: str, profile: Mapping[str, Any], restorer: Restorer | None, *, offered: bool) -> None:
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
