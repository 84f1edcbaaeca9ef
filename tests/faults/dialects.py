"""The wires of providers that do not speak OpenAI, as far as faults need them: one row of `DIALECTS` each.

The shapes are those that the SDKs' own types read: `google.genai.types`, `groq.types.chat.chat_completion_chunk`,
`mistralai.client.models`, `cohere.v2.types.v2chat_stream_response`, and botocore's `bedrock-runtime/service-2.json`.
The refusals are those by which pydantic-ai's `_model_errors` tells one kind from the other.
"""

import binascii
import json
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

Json = dict[str, Any]
INPUT_TOKENS, OUTPUT_TOKENS = 25, 40


class Dialect(ABC):
    """How one provider says things; every method returns the bytes of one or more events.

    Attributes:
        path: The end of the path that asks for a stream.
        words: Its words for the ends of answers: stop, length, filter, tools, error; some have not all of them.
        refusals: Status and body by fault.
        asked_as: The field that holds the conversation.
    """

    model: ClassVar[str]
    path: ClassVar[str]
    words: ClassVar[dict[str, str]]
    refusals: ClassVar[dict[str, tuple[int, Json]]]
    asked_as: ClassVar[str] = "messages"
    content_type: ClassVar[str] = "text/event-stream"

    def said(self, body: Json) -> list[tuple[bool, str]]:
        """The conversation: whether the model said it, and what."""
        return [(message["role"] in ("assistant", "model"), _text(message)) for message in body[self.asked_as]]

    def refusal_headers(self, body: Json) -> dict[str, str]:
        """What a refusal carries beside its body."""
        return {}

    @abstractmethod
    def text(self, piece: str) -> bytes: ...

    @abstractmethod
    def call(self, index: int, name: str, arguments: Json) -> Iterator[bytes]:
        """The pieces of one call; between the first two of them it is half a call."""

    @abstractmethod
    def end(self, word: str) -> bytes:
        """The terminator and the usage."""

    @abstractmethod
    def error(self) -> bytes:
        """Inside the stream: it is overloaded."""

    def begin(self) -> bytes:
        """What comes before the first word."""
        return b""

    def close(self) -> bytes:
        """What comes after the terminator."""
        return b""

    def ping(self) -> bytes:
        """A sign that the connection lives, and nothing else."""
        return b": ping\n\n"

    def damaged(self, piece: str) -> bytes:
        """A piece of text in an event that cannot be read."""
        return self.text(piece).replace(b'"', b"'", 3)


def _event(data: Json, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(data)}\n\n".encode()


def _halves(whole: str | bytes) -> tuple[Any, Any]:
    return whole[: len(whole) // 2], whole[len(whole) // 2 :]


def _text(message: Json) -> str:
    content = message.get("content") or message.get("parts") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


class Google(Dialect):
    model = "gemini-2.5-flash"
    path = ":streamGenerateContent"
    asked_as = "contents"
    words: ClassVar = {
        "stop": "STOP",
        "length": "MAX_TOKENS",
        "filter": "SAFETY",
        "tools": "STOP",
        "error": "MALFORMED_FUNCTION_CALL",
    }
    refusals: ClassVar = {
        fault: (status, {"error": {"code": status, "status": name, "message": message, **more}})
        for fault, status, name, message, more in (
            ("rate_limited", 429, "RESOURCE_EXHAUSTED", "Slow down.", {}),
            (
                "spent",
                429,
                "RESOURCE_EXHAUSTED",
                "Slow down.",
                {"details": [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]},
            ),
            (
                "unauthorized",
                400,
                "INVALID_ARGUMENT",
                "API key not valid.",
                {"details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]},
            ),
            ("not_found", 404, "NOT_FOUND", "models/x is not found for API version v1beta", {}),
            (
                "too_long",
                400,
                "INVALID_ARGUMENT",
                "The input token count (9) exceeds the maximum number of tokens allowed (8).",
                {},
            ),
            ("bad_request", 400, "INVALID_ARGUMENT", "Please ensure that multiturn requests end with a user turn.", {}),
            ("overloaded", 503, "UNAVAILABLE", "The model is overloaded. Please try again later.", {}),
            ("broken", 500, "INTERNAL", "An internal error has occurred.", {}),
        )
    }

    def _chunk(self, candidate: Json, **more: Any) -> bytes:
        return _event(
            {"candidates": [{"index": 0, **candidate}], "modelVersion": self.model, "responseId": "r1", **more}
        )

    def text(self, piece: str) -> bytes:
        return self._chunk({"content": {"role": "model", "parts": [{"text": piece}]}})

    def call(self, index: int, name: str, arguments: Json) -> Iterator[bytes]:
        part = {"functionCall": {"name": name, "args": arguments}}
        yield from _halves(self._chunk({"content": {"role": "model", "parts": [part]}}))

    def end(self, word: str) -> bytes:
        usage = {"promptTokenCount": INPUT_TOKENS, "candidatesTokenCount": OUTPUT_TOKENS, "totalTokenCount": 65}
        return self._chunk({"content": {"role": "model"}, "finishReason": word}, usageMetadata=usage)

    def error(self) -> bytes:
        return _event(self.refusals["overloaded"][1])


class _Chat(Dialect):
    """Chunks that look like OpenAI's."""

    def _chunk(self, delta: Json, word: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": word}
        stamp = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": self.model}
        return _event({**stamp, "choices": [choice], **more})

    def begin(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, piece: str) -> bytes:
        return self._chunk({"content": piece})

    def call(self, index: int, name: str, arguments: Json) -> Iterator[bytes]:
        first, rest = _halves(json.dumps(arguments))
        of = {"index": index, "type": "function"}
        yield self._chunk(
            {"tool_calls": [{**of, "id": f"call_{index}", "function": {"name": name, "arguments": first}}]}
        )
        yield self._chunk({"tool_calls": [{**of, **self._further, "function": {"name": "", "arguments": rest}}]})

    _further: ClassVar[Json] = {}

    def end(self, word: str) -> bytes:
        usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": 65}
        return self._chunk({}, word, **self._spent(usage))

    def _spent(self, usage: Json) -> Json:
        return {"usage": usage}

    def close(self) -> bytes:
        return b"data: [DONE]\n\n"


class Groq(_Chat):
    model = "llama-3.3-70b-versatile"
    path = "/openai/v1/chat/completions"
    words: ClassVar = {"stop": "stop", "length": "length", "filter": "content_filter", "tools": "tool_calls"}
    refusals: ClassVar = {
        fault: (status, {"error": {"message": "Scripted.", "type": kind, "code": code}})
        for fault, status, kind, code in (
            ("rate_limited", 429, "tokens", "rate_limit_exceeded"),
            ("unauthorized", 401, "invalid_request_error", "invalid_api_key"),
            ("not_found", 404, "invalid_request_error", "model_not_found"),
            ("too_long", 400, "invalid_request_error", "context_length_exceeded"),
            ("bad_request", 400, "invalid_request_error", "wrong_api_format"),
            ("overloaded", 503, "internal_server_error", "over_capacity"),
            ("broken", 500, "internal_server_error", None),
        )
    }

    def _spent(self, usage: Json) -> Json:
        return {"x_groq": {"id": "req_1", "usage": usage}}

    def error(self) -> bytes:
        return _event({"error": {"message": "Overloaded.", "type": "overloaded_error", "code": 503}}, "error")


class Mistral(_Chat):
    model = "mistral-large-latest"
    path = "/v1/chat/completions"
    words: ClassVar = {"stop": "stop", "length": "model_length", "tools": "tool_calls", "error": "error"}
    refusals: ClassVar = {
        fault: (status, {"object": "error", "message": "Scripted.", "type": kind, "param": None, "code": code})
        for fault, status, kind, code in (
            ("rate_limited", 429, "rate_limited", "1300"),
            ("unauthorized", 401, "unauthorized", None),
            ("not_found", 400, "invalid_model", "1500"),
            ("too_long", 400, "invalid_request_prompt", "3051"),
            ("bad_request", 400, "invalid_request_message_order", "3230"),
            ("overloaded", 503, "service_unavailable", "3505"),
            ("broken", 500, "internal_server_error", "1000"),
        )
    }
    _further: ClassVar[Json] = {"id": "null"}

    def error(self) -> bytes:
        return _event(self.refusals["overloaded"][1])


class Cohere(Dialect):
    model = "command-a-03-2025"
    path = "/v2/chat"
    words: ClassVar = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tools": "TOOL_CALL", "error": "ERROR"}
    refusals: ClassVar = {
        fault: (status, {"id": "e1", "message": message})
        for fault, status, message in (
            ("rate_limited", 429, "Please wait and try again later."),
            ("unauthorized", 401, "invalid api token"),
            ("not_found", 404, "model 'x' not found, make sure the correct model ID was used."),
            ("too_long", 400, "too many tokens: size limit exceeded by 9 tokens."),
            ("bad_request", 400, "invalid request: the last message must be from the user."),
            ("overloaded", 503, "the service is overloaded"),
            ("broken", 500, "internal server error"),
        )
    }

    def _named(self, name: str, **facts: Any) -> bytes:
        return _event({"type": name, **facts}, name)

    def begin(self) -> bytes:
        start = self._named("message-start", id="m1", delta={"message": {"role": "assistant", "content": []}})
        content = {"type": "text", "text": ""}
        return start + self._named("content-start", index=0, delta={"message": {"content": content}})

    def text(self, piece: str) -> bytes:
        return self._named("content-delta", index=0, delta={"message": {"content": {"text": piece}}})

    def call(self, index: int, name: str, arguments: Json) -> Iterator[bytes]:
        first, rest = _halves(json.dumps(arguments))
        start = {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}}
        yield self._named("tool-call-start", index=index, delta={"message": {"tool_calls": start}})
        for piece in (first, rest):
            delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            yield self._named("tool-call-delta", index=index, delta=delta)
        yield self._named("tool-call-end", index=index)

    def end(self, word: str) -> bytes:
        counts = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}
        usage = {"billed_units": counts, "tokens": counts}
        return self._named("message-end", id="m1", delta={"finish_reason": word, "usage": usage})

    def error(self) -> bytes:
        return self._named("message-end", id="m1", delta={"finish_reason": "ERROR", "error": "overloaded"})


class Bedrock(Dialect):
    model = "amazon.nova-lite-v1:0"
    path = "/converse-stream"
    content_type = "application/vnd.amazon.eventstream"
    words: ClassVar = {
        "stop": "end_turn",
        "length": "max_tokens",
        "filter": "guardrail_intervened",
        "tools": "tool_use",
        "error": "malformed_model_output",
    }
    refusals: ClassVar = {
        fault: (status, {"__type": name, "message": message})
        for fault, status, name, message in (
            ("rate_limited", 429, "ThrottlingException", "Too many requests."),
            ("spent", 400, "ServiceQuotaExceededException", "Your quota is spent."),
            ("unauthorized", 403, "UnrecognizedClientException", "The security token is invalid."),
            ("not_found", 400, "ValidationException", "The provided model identifier is invalid."),
            ("too_long", 400, "ValidationException", "Input is too long for requested model."),
            ("bad_request", 400, "ValidationException", "The conversation must end with a user message."),
            ("overloaded", 503, "ServiceUnavailableException", "The service is overloaded."),
            ("broken", 500, "InternalServerException", "The system failed."),
        )
    }

    def refusal_headers(self, body: Json) -> dict[str, str]:
        return {"x-amzn-ErrorType": body["__type"]}

    def begin(self) -> bytes:
        return _message("messageStart", {"role": "assistant"})

    def text(self, piece: str) -> bytes:
        return _message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}})

    def call(self, index: int, name: str, arguments: Json) -> Iterator[bytes]:
        start = {"toolUse": {"toolUseId": f"tooluse_{index}", "name": name}}
        at = {"contentBlockIndex": index}
        yield _message("contentBlockStart", {**at, "start": start})
        for piece in _halves(json.dumps(arguments)):
            yield _message("contentBlockDelta", {**at, "delta": {"toolUse": {"input": piece}}})
        yield _message("contentBlockStop", at)

    def end(self, word: str) -> bytes:
        usage = {"inputTokens": INPUT_TOKENS, "outputTokens": OUTPUT_TOKENS, "totalTokens": 65}
        spent = _message("metadata", {"usage": usage, "metrics": {"latencyMs": 9}})
        return (
            _message("contentBlockStop", {"contentBlockIndex": 0})
            + _message("messageStop", {"stopReason": word})
            + spent
        )

    def error(self) -> bytes:
        return _message("serviceUnavailableException", {"message": "The service is overloaded."}, kind="exception")

    def ping(self) -> bytes:
        return self.text("")

    def damaged(self, piece: str) -> bytes:
        whole = self.text(piece)
        return whole[:-5] + bytes([whole[-5] ^ 0xFF]) + whole[-4:]


def _message(name: str, payload: Json, kind: str = "event") -> bytes:
    """One message of AWS's event stream encoding: lengths, their CRC, headers, payload, the CRC of all that."""
    facts = ((f":{kind}-type", name), (":content-type", "application/json"), (":message-type", kind))
    headers = b"".join(
        struct.pack("!B", len(key)) + key.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for key, value in facts
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + body
    return message + struct.pack("!I", binascii.crc32(message))


DIALECTS: dict[str, Dialect] = {
    "google": Google(),
    "groq": Groq(),
    "mistral": Mistral(),
    "cohere": Cohere(),
    "bedrock": Bedrock(),
}
