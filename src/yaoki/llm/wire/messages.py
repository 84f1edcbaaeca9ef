"""A conversation in OpenAI's words, for models that are asked in others. What cannot be said in those is refused."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any, cast

from pydantic_ai.messages import (
    BinaryContent,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)

from yaoki.errors import ModelMalformedError
from yaoki.llm.failures import UNSUPPORTED

_AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg"}


def unsupported(field: str, what: str) -> ModelMalformedError:
    """The refusal of a request that was not sent."""
    return ModelMalformedError(f"This provider's models cannot be asked this: {field} {what}.", fault=UNSUPPORTED)


def model_messages(messages: Sequence[dict[str, Any]]) -> list[ModelMessage]:
    """The messages of a chat completion, as pydantic-ai's.

    Neighbours that are not the model's become one request, as they are one to every provider.

    Raises:
        ModelMalformedError: Something in them has no counterpart; `facts["fault"]` is `UNSUPPORTED`.
    """
    told: list[ModelMessage] = []
    asked: list[ModelRequestPart] = []
    called: dict[str, str] = {}
    for at, message in enumerate(messages):
        field = f"messages.{at}"
        if message["role"] != "assistant":
            asked += _request_parts(field, message, called)
            continue
        if asked:
            told.append(ModelRequest(parts=asked))
            asked = []
        parts = list(_response_parts(field, message))
        called.update((part.tool_call_id, part.tool_name) for part in parts if isinstance(part, ToolCallPart))
        if parts:
            told.append(ModelResponse(parts=parts))
    return [*told, ModelRequest(parts=asked)] if asked else told


def _request_parts(field: str, message: dict[str, Any], called: dict[str, str]) -> Iterator[ModelRequestPart]:
    match message["role"]:
        case "system" | "developer":
            yield SystemPromptPart(_text(field, message.get("content")))
        case "user":
            yield UserPromptPart(_user_content(field, message.get("content")))
        case "tool":
            call_id = message.get("tool_call_id")
            if not isinstance(call_id, str) or call_id not in called:
                raise unsupported(f"{field}.tool_call_id", "belongs to no call before it")
            yield ToolReturnPart(called[call_id], _text(field, message.get("content")), call_id)
        case role:
            raise unsupported(f"{field}.role", f"is {str(role)[:40]!r}")


def _response_parts(field: str, message: dict[str, Any]) -> Iterator[ModelResponsePart]:
    text = _text(field, message.get("content") or message.get("refusal") or "")
    if text:
        yield TextPart(text)
    if message.get("function_call"):
        raise unsupported(f"{field}.function_call", "is no tool call")
    for at, call in enumerate(message.get("tool_calls") or ()):
        function: object = _mapping(call).get("function")
        name, arguments = _mapping(function).get("name"), _mapping(function).get("arguments")
        call_id = _mapping(call).get("id")
        if not (isinstance(name, str) and isinstance(arguments, str) and isinstance(call_id, str)):
            raise unsupported(f"{field}.tool_calls.{at}", "is no whole call of a function")
        yield ToolCallPart(name, arguments or "{}", call_id)


def _text(field: str, content: object) -> str:
    """The text of a message that may be nothing else."""
    if isinstance(content, str):
        return content
    pieces: list[str] = []
    for at, part in enumerate(_list(field, content)):
        text = _mapping(part).get("text", _mapping(part).get("refusal"))
        if not isinstance(text, str):
            raise unsupported(f"{field}.content.{at}", "is no text")
        pieces.append(text)
    return "".join(pieces)


def _user_content(field: str, content: object) -> str | list[UserContent]:
    if isinstance(content, str):
        return content
    return [_piece(f"{field}.content.{at}", _mapping(part)) for at, part in enumerate(_list(field, content))]


def _piece(field: str, part: dict[str, Any]) -> UserContent:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "image_url", "image_url": {"url": str(url), **rest}}:
            return _image(field, url, {"detail": rest["detail"]} if rest.get("detail") else None)
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(kind)}} if kind in _AUDIO_TYPES:
            return BinaryContent(_decoded(field, data), media_type=_AUDIO_TYPES[kind])
        case {"type": "file", "file": {"file_data": str(url)}} if url.startswith("data:"):
            return _inline(field, url, None)
        case _:
            raise unsupported(field, f"is of the type {str(part.get('type'))[:40]!r}")


def _image(field: str, url: str, details: dict[str, Any] | None) -> UserContent:
    if url.startswith("data:"):
        return _inline(field, url, details)
    if not url.startswith(("http://", "https://")):
        raise unsupported(field, "is no web address")
    return ImageUrl(url, vendor_metadata=details)


def _inline(field: str, url: str, details: dict[str, Any] | None) -> BinaryContent:
    """What a data URL holds."""
    head, comma, data = url.removeprefix("data:").partition(",")
    media_type, _, coding = head.rpartition(";")
    if not (comma and media_type and coding == "base64"):
        raise unsupported(field, "is no data URL in base64")
    return BinaryContent(_decoded(field, data), media_type=media_type, vendor_metadata=details)


def _decoded(field: str, data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise unsupported(field, "is no base64") from None


def _list(field: str, content: object) -> list[object]:
    if not isinstance(content, list):
        raise unsupported(f"{field}.content", "is neither text nor a list of parts")
    return cast("list[object]", content)


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
