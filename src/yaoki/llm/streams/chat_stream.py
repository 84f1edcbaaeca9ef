"""What a stream of OpenAI chat chunks says, judged chunk by chunk. Pure: bytes in, chunks out, and a fault at last.

What came before a fault, in the same read too, is handed out all the same: it was paid for, and a continuation starts
there. A finish reason is the terminator. `[DONE]` without one is a cut; a finish without `[DONE]` is fine. After the
terminator nothing is a fault any more; but if the answer goes on after it, it was none, and another one has to come.
Only the first choice counts: nobody asked for another.
"""

import json
from collections.abc import Iterator
from typing import Any, cast

from yaoki.errors import AIOrchestrationError, ModelMalformedError, ModelTruncatedError
from yaoki.llm.failures import in_band_error
from yaoki.llm.streams.finish_words import finish_reason, says_nothing
from yaoki.llm.streams.halves import Halves
from yaoki.llm.streams.mould import Mould
from yaoki.llm.streams.sse import SseParser

Chunk = dict[str, Any]

MAX_DOCUMENT_BYTES = 4_000_000
_KINDS = {b"<": "page", b"{": "document", b"[": "document"}
_BLANKS = b"\xef\xbb\xbf \t\r\n"
_MINE = (0, None, "0")


class ChatStream:
    """Follows one response body, whatever it turns out to be: events, one JSON document, or a page.

    Args:
        joins: Neighbouring chunks that differ in their text alone are handed out as one.

    Attributes:
        finished: The terminator was seen.
        complete: Nothing more is worth waiting for: usage or `[DONE]` came, and the terminator had been seen.
        fault: What was wrong after the chunks that were handed out: an error inside the stream, a page, something that
            is not the protocol, or an end without a terminator. Nothing is read after it; whoever reads raises it.
    """

    __slots__ = ("_halves", "_head", "_joins", "_kind", "_mould", "_parser", "complete", "fault", "finished")

    def __init__(self, *, joins: bool = False) -> None:
        self._joins = joins
        self._parser = SseParser()
        self._halves = Halves()
        self._mould = Mould(_without_finish)
        self._head = b""
        self._kind = ""
        self.finished = False
        self.complete = False
        self.fault: AIOrchestrationError | None = None

    def feed(self, raw: bytes) -> list[Chunk]:
        """The chunks that `raw` completes, up to a `fault`."""
        return self._before_a_fault(self._read(raw))

    def close(self) -> list[Chunk]:
        """The body ended: chunks that were not complete before. Without a terminator its end is a `fault`."""
        return self._before_a_fault(self._end())

    def _before_a_fault(self, chunks: Iterator[Chunk]) -> list[Chunk]:
        found: list[Chunk] = []
        try:
            for chunk in chunks if self.fault is None else ():
                found.append(chunk)  # noqa: PERF402 - what was found before a fault is kept
        except AIOrchestrationError as fault:
            self.complete = self.finished
            self.fault = None if self.finished else fault
        return found

    def _read(self, raw: bytes) -> Iterator[Chunk]:
        if self._kind == "events":
            yield from self._chunks(self._parser.feed(raw))
            return
        self._head += raw
        if len(self._head) > MAX_DOCUMENT_BYTES:
            raise ModelMalformedError("The provider's answer is over 4 MB.", fault="oversized_document")
        start = self._head.lstrip(_BLANKS)[:1]
        if not self._kind and start:
            self._kind = _KINDS.get(start, "events")
            if self._kind == "events":
                yield from self._chunks(self._parser.feed(self._head))
        if self._kind == "page":
            raise ModelMalformedError("The provider answered with a page instead of a stream.", fault="html")

    def _end(self) -> Iterator[Chunk]:
        if self.finished:
            return
        yield from self._document() if self._kind == "document" else self._chunks(self._parser.close())
        if self.finished:
            return
        if self._parser.strange:
            raise ModelMalformedError("The provider answered with text that is no event stream.", fault="not_events")
        raise ModelTruncatedError("The stream ended without a finish reason.", fault="cut")

    def _chunks(self, events: list[str]) -> Iterator[Chunk]:
        texts: list[str] = []
        plain = self._plain
        for data in events:
            text = self._mould.text_in(data) if plain else None
            if text is not None:
                texts.append(text)
                continue
            yield from self._cast(texts)
            texts.clear()
            if self.complete:
                return
            chunk = self._parsed(data, plain=plain)
            plain = self._plain
            if chunk is not None:
                yield chunk
        yield from self._cast(texts)
        if self._parser.fault is not None:
            raise self._parser.fault

    @property
    def _plain(self) -> bool:
        """Whether nothing that came before changes what a chunk says."""
        return not (self.finished or self._halves.waiting)

    def _cast(self, texts: list[str]) -> Iterator[Chunk]:
        """The chunks of the mould with these texts."""
        joined = ["".join(texts)] if self._joins and texts else texts
        return map(self._mould.cast, joined)

    def _parsed(self, data: str, *, plain: bool) -> Chunk | None:
        """The chunk in an event; None if it says nothing. What is `plain` may be a mould for others."""
        word = data.strip()
        if word == "[DONE]":
            if not self.finished:
                raise ModelTruncatedError("The stream says [DONE] without a finish reason.", fault="cut_done")
            self.complete = True
        if word in ("[DONE]", ""):
            return None
        try:
            chunk = _judge(self._halves.joined(json.loads(data), data))
        except (ValueError, RecursionError, AIOrchestrationError) as error:
            if self.finished:
                return None
            if isinstance(error, AIOrchestrationError):
                raise
            raise ModelMalformedError("The provider sent an event that is not JSON.", fault="bad_json") from error
        if chunk is not None:
            self._note(chunk)
            if plain and not self.finished:
                self._mould.learn(data, chunk)
        return chunk

    def _note(self, chunk: Chunk) -> Chunk:
        """Take the terminator and what follows it down."""
        for choice in chunk["choices"]:
            word = choice.get("finish_reason")
            self.finished = self.finished and not _goes_on(choice)
            if not word or self.finished:
                choice["finish_reason"] = None
            else:
                choice["finish_reason"] = finish_reason(word)
                self.finished = True
        self.complete = self.finished and bool(chunk.get("usage"))
        return chunk

    def _document(self) -> Iterator[Chunk]:
        """A whole completion where a stream was asked for is an answer all the same."""
        try:
            text = self._head.lstrip(_BLANKS).decode()
            body: object = self._halves.joined(json.loads(text), text)
        except (ValueError, RecursionError) as error:
            raise ModelMalformedError("The provider's answer is not JSON.", fault="bad_json") from error
        document = _mapping(next(iter(_list(body)), body))
        if document.get("error"):
            raise in_band_error(document["error"])
        choice = _mapping(next(iter(_list(document.get("choices"))), None))
        message = _mapping(choice.get("message"))
        if not message:
            raise ModelMalformedError("The provider sent JSON that is no completion.", fault="json_document")
        word = choice.get("finish_reason")
        if not isinstance(word, str) or says_nothing(word):
            return
        delta = {key: value for key, value in message.items() if value is not None}
        for index, call in enumerate(_list(delta.get("tool_calls"))):
            _mapping(call).setdefault("index", index)
        new = {"index": 0, "delta": delta, "finish_reason": word}
        yield self._note({**document, "object": "chat.completion.chunk", "choices": [new]})


def _judge(chunk: object) -> Chunk | None:
    """A chunk with at most its first choice; None if it says nothing.

    Raises:
        ModelInferenceError: It reports an error, or has another shape than a chunk.
    """
    facts = _mapping(chunk)
    if facts.get("error"):
        raise in_band_error(facts["error"])
    choices = facts.get("choices")
    if choices is None:
        return None
    if not isinstance(choices, list):
        raise _misshapen("choices")
    mine = [choice for choice in map(_choice, cast("list[object]", choices)) if choice.get("index") in _MINE][:1]
    return {**facts, "choices": mine} if mine or facts.get("usage") else None


def _goes_on(choice: Chunk) -> bool:
    """Whether this is more of the answer."""
    delta: Chunk = choice.get("delta") or {}
    text = delta.get("content")
    return bool(delta.get("tool_calls") or (text and not (isinstance(text, str) and text.isspace())))


def _without_finish(data: str) -> Chunk | None:
    """A chunk as `ChatStream` hands it out, if it does not end the stream."""
    chunk = _judge(json.loads(data))
    for choice in chunk["choices"] if chunk else ():
        choice["finish_reason"] = choice.get("finish_reason") or None
    return chunk


def _choice(choice: object) -> Chunk:
    facts = _mapping(choice)
    delta = facts.get("delta")
    if not facts or not isinstance(delta, dict | None):
        raise _misshapen("choice")
    if facts.get("error"):
        raise in_band_error(facts["error"])
    if delta and not isinstance(_mapping(cast("object", delta)).get("content"), str | list | None):
        raise _misshapen("content")
    word = facts.get("finish_reason")
    if not isinstance(word, str | None):
        raise _misshapen("finish_reason")
    if word is not None and says_nothing(word):
        facts["finish_reason"] = None
    return facts


def _misshapen(what: str) -> ModelMalformedError:
    return ModelMalformedError(f"The provider sent a chunk whose {what} has another shape.", fault=f"bad_{what}")


def _mapping(value: object) -> Chunk:
    return cast("Chunk", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
