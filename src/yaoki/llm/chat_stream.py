"""What a stream of OpenAI chat chunks says, judged chunk by chunk. Pure: bytes in, chunks out, faults raised.

A finish reason is the terminator. `[DONE]` without one is a cut; a finish without `[DONE]` is fine. After the
terminator nothing is a fault any more.
"""

import json
from typing import Any, cast

from yaoki.errors import AIOrchestrationError, ModelMalformedError, ModelTruncatedError, ModelUnavailableError
from yaoki.llm.failures import error_for_status
from yaoki.llm.sse import SseParser

Chunk = dict[str, Any]

_FINISH_WORDS = {
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "token_limit": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "refusal": "content_filter",
    "blocked": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
    "guardrail_intervened": "content_filter",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
}
_BROKEN_WORDS = ("error", "abort", "cancel", "fail", "interrupt", "timeout", "insufficient", "unavailable")
_MAX_DOCUMENT_BYTES = 4_000_000


def finish_word(word: str) -> str:
    """The OpenAI spelling of a finish reason.

    Raises:
        ModelTruncatedError: The word says that the answer was broken off.
    """
    folded = word.strip().casefold()
    if any(broken in folded for broken in _BROKEN_WORDS):
        raise ModelTruncatedError(f"The provider broke the answer off: {word!r}.", fault="broken_finish")
    return _FINISH_WORDS.get(folded, "stop")


class ChatStream:
    """Follows one response body, whatever it turns out to be: events, one JSON document, or a page.

    Attributes:
        finished: The terminator was seen.
        complete: Nothing more is worth waiting for: usage or `[DONE]` followed the terminator.
    """

    def __init__(self, max_tokens: int) -> None:
        self._parser = SseParser()
        self._head = b""
        self._kind: str | None = None
        self._max_tokens = max_tokens
        self._tokens = 0
        self._template: Chunk = {}
        self.finished = False
        self.complete = False

    def feed(self, raw: bytes) -> list[Chunk]:
        """The chunks that `raw` completes.

        Raises:
            ModelInferenceError: An error inside the stream, a page, or something that is not the protocol.
        """
        if self._kind is None:
            self._head += raw
            start = self._head.lstrip(b"\xef\xbb\xbf \t\r\n")
            if not start:
                return []
            self._kind = {b"<": "page", b"{": "document", b"[": "document"}.get(start[:1], "events")
            raw, self._head = self._head, b""
        if self._kind == "page":
            raise ModelMalformedError("The provider answered with a page instead of a stream.", fault="html")
        if self._kind == "document":
            self._head += raw
            if len(self._head) > _MAX_DOCUMENT_BYTES:
                raise ModelMalformedError("The provider's answer is over 4 MB.", fault="oversized_document")
            return []
        return self._chunks(self._parser.feed(raw))

    def close(self) -> list[Chunk]:
        """The body ended.

        Raises:
            ModelTruncatedError: Without a terminator.
        """
        if self.finished:
            return []
        chunks = self._document() if self._kind == "document" else self._chunks(self._parser.close())
        if not self.finished:
            raise ModelTruncatedError("The stream ended without a finish reason.", fault="cut")
        return chunks

    def cap(self) -> Chunk:
        """A terminator of our own, for a stream that would not end."""
        self.finished = self.complete = True
        return {**self._template, "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}

    def _chunks(self, events: list[str]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for data in events:
            if self.complete:
                break
            if data.strip() == "[DONE]":
                if not self.finished:
                    raise ModelTruncatedError("The stream says [DONE] without a finish reason.", fault="cut_done")
                self.complete = True
                break
            chunk = self._parse(data)
            if chunk is not None:
                chunks.append(chunk)
            if self._tokens > self._max_tokens and not self.finished:
                chunks.append(self.cap())
        return chunks

    def _parse(self, data: str) -> Chunk | None:
        try:
            chunk = json.loads(data)
        except ValueError as error:
            if self.finished:
                return None
            raise ModelMalformedError("The provider sent an event that is not JSON.", fault="bad_json") from error
        if not isinstance(chunk, dict):
            return None
        return self._judge(cast("Chunk", chunk))

    def _judge(self, chunk: Chunk) -> Chunk | None:
        if chunk.get("error") and not self.finished:
            raise in_band_error(chunk["error"])
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            return None
        if chunk.get("usage") and self.finished:
            self.complete = True
        if not choices:
            return chunk if chunk.get("usage") else None
        choice = cast("Chunk", choices[0])
        delta = cast("Chunk", choice.get("delta") or {})
        self._template = {key: value for key, value in chunk.items() if key not in ("choices", "usage")}
        if delta.get("content"):
            self._tokens += 1
        word = choice.get("finish_reason")
        if word and not self.finished:
            choice["finish_reason"] = finish_word(str(word))
            self.finished = True
            self.complete = bool(chunk.get("usage"))
        return chunk

    def _document(self) -> list[Chunk]:
        """A whole completion where a stream was asked for is an answer all the same."""
        try:
            body = json.loads(self._head)
        except ValueError as error:
            raise ModelMalformedError("The provider's answer is not JSON.", fault="bad_json") from error
        document = cast("Chunk", body[0] if isinstance(body, list) and body else body)
        if not isinstance(document, dict) or document.get("error"):
            raise in_band_error(document.get("error") if isinstance(document, dict) else None)
        choices = document.get("choices")
        if not isinstance(choices, list) or not choices or not choices[0].get("message"):
            raise ModelMalformedError("The provider sent JSON that is no completion.", fault="json_document")
        choice = cast("Chunk", choices[0])
        word = choice.get("finish_reason")
        if not word:
            return []
        self.finished = self.complete = True
        delta = {key: value for key, value in choice["message"].items() if value is not None}
        for index, call in enumerate(delta.get("tool_calls") or []):
            call.setdefault("index", index)
        new = {"index": 0, "delta": delta, "finish_reason": finish_word(str(word))}
        return [{**document, "object": "chat.completion.chunk", "choices": [new]}]


def in_band_error(error: object) -> AIOrchestrationError:
    """The error that a provider reports inside a 200, under its status or code."""
    if isinstance(error, dict):
        facts = cast("dict[str, Any]", error)
        for key in ("status", "code", "http_code"):
            try:
                status = int(facts.get(key) or 0)
            except (TypeError, ValueError):
                continue
            if 400 <= status < 600:
                return error_for_status(status, code=str(facts.get("type") or ""), fault="error_event")
        code = str(facts.get("code") or facts.get("type") or "error")
        return error_for_status(500, code=code, fault="error_event")
    return ModelUnavailableError("The provider reported an error inside the stream.", fault="error_event")
