"""What the events of providers that do not speak OpenAI say about the end of an answer: one judge for each wire.

provider        the terminator                            nothing more after    an error inside the stream
anthropic       message_delta with a stop_reason          message_stop          error
google          a candidate's finishReason, blockReason   the body's end        error
groq, mistral   a choice's finish_reason                  [DONE]                error; Mistral: object "error"
cohere          message-end with a finish_reason          the same event        its reason ERROR

The names are those of the SDKs' own types. A judge is pure, and sees an event as it was parsed. Where the answer goes
on after a terminator, it was none. There were Geminis that gave a finishReason with each piece of text; so what may
follow one of Google's is waited for longer.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from yaoki.llm.failures import in_band_error


class Mark(Enum):
    """What an event means for the end of the answer."""

    PLAIN = auto()
    MORE = auto()
    """More of the answer, so that a terminator before it was none."""
    FINISHED = auto()
    """The terminator: after it nothing is a fault."""
    CLOSED = auto()
    """Nothing more comes, so the terminator must have been before."""
    LAST = auto()
    """The terminator, and nothing more comes."""


Judge = Callable[[Any], Mark]
"""Raises the provider's own error, where the event is one."""
GOOGLE_LINGER_S = 1.0
"""Seconds in which more may follow a terminator of Google's."""


def anthropic(event: Any) -> Mark:
    """See the table."""
    match event:
        case {"type": "error", **rest}:
            raise in_band_error(rest.get("error"))
        case {"type": "message_delta", "delta": {"stop_reason": str()}}:
            return Mark.FINISHED
        case {"type": "message_stop"}:
            return Mark.CLOSED
        case {"type": "content_block_start" | "content_block_delta"}:
            return Mark.MORE
        case _:
            return Mark.PLAIN


def google(event: Any) -> Mark:
    """See the table."""
    match event:
        case {"error": error} if error:
            raise in_band_error(error)
        case {"candidates": [{"finishReason": str()}, *_]} | {"promptFeedback": {"blockReason": str()}}:
            return Mark.FINISHED
        case {"candidates": [{"content": {"parts": [_, *_]}}, *_]}:
            return Mark.MORE
        case _:
            return Mark.PLAIN


def chat(event: Any) -> Mark:
    """See the table: Groq and Mistral."""
    match event:
        case {"error": error} if error:
            raise in_band_error(error)
        case {"object": "error"}:
            raise in_band_error(event)
        case {"choices": [{"finish_reason": str()}, *_]}:
            return Mark.FINISHED
        case {"choices": [{"delta": {"content": [_, *_]} | {"tool_calls": [_, *_]}}, *_]}:
            return Mark.MORE
        case {"choices": [{"delta": {"content": str(text)}}, *_]} if text and not text.isspace():
            return Mark.MORE
        case _:
            return Mark.PLAIN


def cohere(event: Any) -> Mark:
    """See the table. Its errors have a wording and nothing else: their kind is that of any error in a stream."""
    match event:
        case {"type": "message-end", "delta": {"finish_reason": "ERROR"}}:
            raise in_band_error(None)
        case {"type": "message-end", "delta": {"finish_reason": str()}}:
            return Mark.LAST
        case _:
            return Mark.PLAIN
