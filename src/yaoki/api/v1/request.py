"""What a client of the base URL asks, checked as far as we must understand it; the rest is the provider's business."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

from yaoki.errors import ConfigurationUnknownModelError, SecurityInputRejectedError
from yaoki.llm.wire.request import LIMITS

_JSON_FORMATS = ("json_schema", "json_object")
_REFUSED = {
    "logprobs": "Leave it out: an answer may be written by more than one model.",
    "top_logprobs": "Leave it out: an answer may be written by more than one model.",
    "audio": "Leave it out: answers are text.",
    "functions": "Send tools instead.",
    "function_call": "Send tool_choice instead.",
}
_SHAPES: dict[str, tuple[type, str]] = {
    "stream": (bool, "true or false"),
    "stream_options": (dict, "an object"),
    "response_format": (dict, "an object"),
    "tools": (list, "a list"),
}
_MODALITIES = (None, ["text"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One chat completion request.

    Attributes:
        body: As it came.
        model: A name of the settings.
        streamed: The answer is wanted as events.
        wants_usage: The events are to end with token counts.
        held: Nothing may be shown before the answer is whole: it has to parse.
        raw: The same, unread.
    """

    body: dict[str, Any]
    model: str
    streamed: bool
    wants_usage: bool
    held: bool
    raw: bytes


def asked_of(raw: bytes, models: Collection[str]) -> Asked:
    """The request in a body.

    Args:
        models: The names that there are.

    Raises:
        SecurityInputRejectedError: It cannot be served; the error names the field.
        ConfigurationUnknownModelError: There is no model of that name.
    """
    try:
        parsed: object = json.loads(raw)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise SecurityInputRejectedError("The body is not a JSON object.", status=400, remedy="Send a JSON object.")
    body = cast("dict[str, Any]", parsed)
    _check_messages(body.get("messages"))
    _check_rest(body)
    model = body.get("model")
    if not isinstance(model, str):
        raise _rejected("model", "is not a name", "GET /v1/models lists the names.")
    if model not in models:
        raise ConfigurationUnknownModelError(
            f"There is no model {model[:100]!r}.", field="model", remedy=f"Use one of: {', '.join(models)}."
        )
    options: dict[str, Any] = body.get("stream_options") or {}
    form: dict[str, Any] = body.get("response_format") or {}
    return Asked(
        body=body,
        model=model,
        streamed=bool(body.get("stream")),
        wants_usage=bool(options.get("include_usage")),
        held=form.get("type") in _JSON_FORMATS,
        raw=raw,
    )


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not messages:
        raise _rejected("messages", "is not a list with at least one message", "Send the conversation so far.")
    for at, message in enumerate(cast("list[object]", messages)):
        if not isinstance(message, dict) or not isinstance(cast("dict[str, Any]", message).get("role"), str):
            raise _rejected(f"messages.{at}", "is not a message", "Send an object with role and content.")


def _check_rest(body: dict[str, Any]) -> None:
    if body.get("n") not in (None, 1) or isinstance(body.get("n"), bool):
        raise _rejected("n", "is not 1", "Send n=1, and one request for each answer that you want.")
    for name, remedy in _REFUSED.items():
        if body.get(name):
            raise _rejected(name, "cannot be served", remedy)
    if body.get("modalities") not in _MODALITIES:
        raise _rejected("modalities", "asks for more than text", 'Leave it out, or send ["text"].')
    for name, (kind, what) in _SHAPES.items():
        if not isinstance(body.get(name), kind | None):
            raise _rejected(name, f"is not {what}", f"Send {what}, or leave it out.")
    for name in LIMITS:
        count = body.get(name)
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
            raise _rejected(name, "is not a whole number above 0", "Send a number of tokens, or leave it out.")


def _rejected(field: str, what: str, remedy: str) -> SecurityInputRejectedError:
    return SecurityInputRejectedError(f"{field!r} {what}.", status=400, field=field, remedy=remedy)
