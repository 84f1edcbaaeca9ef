"""The small pieces that a model's answer arrives in, and what the chain says about itself between them.

An `Upstream` yields only signs of life: text, reasoning, tool calls, then usage and one finish. Keep-alives, empty deltas
and headers are not life and never become a delta.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]
ContinuationMode = Literal["prefill", "instruction"]


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the answer; `model` is filled in by the chain."""

    text: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of the model's thinking: life, but not the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One whole tool call; `arguments` is JSON text."""

    name: str
    arguments: str
    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the provider counted for this response."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The terminator. A stream without one was cut, whatever else it says."""

    reason: FinishReason


Delta = Text | Reasoning | ToolCall | Usage | Finish


@dataclass(frozen=True, slots=True)
class Failover:
    """The chain leaves one candidate for the next. `at_char` counts the text shown so far."""

    from_model: str
    to_model: str
    kind: str
    mid_stream: bool
    at_char: int


@dataclass(frozen=True, slots=True)
class Continuation:
    """The half answer goes on; `rolled_back_chars` had been received and were never shown."""

    model: str
    mode: ContinuationMode
    rolled_back_chars: int


@dataclass(frozen=True, slots=True)
class Restart:
    """The text shown so far is void; the answer begins again."""

    reason: str


Item = Delta | Failover | Continuation | Restart


class Upstream(Protocol):
    """One way to one model. `request` is opaque to the chain: each face brings its own kind."""

    def stream(self, request: Any, prefix: str, mode: ContinuationMode | None) -> AsyncGenerator[Delta, None]:
        """Answer `request`, or continue an answer that begins with `prefix`.

        Args:
            request: What the face built.
            prefix: The answer so far; empty for a fresh answer.
            mode: How to ask for the continuation; None for a fresh answer.

        Raises:
            ModelInferenceError: Whatever went wrong, renamed. Closing the generator ends the request.
        """
        ...

    def probe(self) -> AsyncGenerator[Delta, None]:
        """Continue "The capital of France is" by prefill, to see whether this backend honours one."""
        ...
