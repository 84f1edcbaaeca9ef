"""The small pieces that a model's answer arrives in, and what the chain says about itself between them.

An `Upstream` yields only signs of life: text, reasoning, pieces of tool calls, then whole tool calls, usage and one
finish. Keep-alives, empty deltas and headers are not life and never become a delta.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]
ContinuationMode = Literal["prefill", "instruction"]


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the answer; the chain fills in whose it is, and what has come after it and is not shown yet."""

    text: str
    model: str = ""
    held: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of the model's thinking: life, but not the answer. `details` is for the upstream's next request."""

    text: str
    details: Any = None


@dataclass(frozen=True, slots=True)
class ToolCallPiece:
    """A tool call is being written: life, and nothing else. The chain never hands it out."""

    chars: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One whole tool call.

    Attributes:
        arguments: JSON text as the model wrote it; it may be invalid.
        call_id: Ours, minted by the chain, since providers repeat theirs; empty from an upstream.
        details: The upstream's own, for its next request.
    """

    name: str
    arguments: str
    call_id: str = ""
    details: Any = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response, cut ones included; `details` are the provider's counts in its own words.

    Attributes:
        estimated: The provider did not count; this is a guess of ours.
    """

    input_tokens: int
    output_tokens: int
    details: Any = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The terminator. A stream without one was cut, whatever else it says. The chain fills in whose it is."""

    reason: FinishReason
    model: str = field(default="", compare=False)


Delta = Text | Reasoning | ToolCallPiece | ToolCall | Usage | Finish


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


@dataclass(frozen=True, slots=True)
class Held:
    """More white space has come after the text shown so far: what is held back now, for whoever has to know the gap."""

    text: str
    model: str


@dataclass(frozen=True, slots=True)
class Compaction:
    """No window held the conversation: its `left_out` oldest turns are left out of what the models are told."""

    left_out: int


Item = Text | Held | Reasoning | ToolCall | Usage | Finish | Failover | Continuation | Restart | Compaction


@dataclass(frozen=True, slots=True)
class HalfAnswer:
    """The half of an answer that was shown, for the upstream that is to go on with it.

    Attributes:
        text: What was shown; never empty.
        mode: How to ask for the rest.
        calling: The answer was cut while it asked for a tool, so the rest is (also) that call.
        proven: A probe has shown that the backend honours a prefill; else somebody says so, who may be wrong.
    """

    text: str
    mode: ContinuationMode
    calling: bool = False
    proven: bool = True


class GivesDeltas(ABC):
    """A response of an SDK that may be read as deltas, instead of its own events."""

    @abstractmethod
    def deltas(self, *, offered: bool) -> AsyncGenerator[Delta, None]:
        """The answer. Closing the generator leaves it.

        Args:
            offered: There were tools to call.
        """


class Upstream(Protocol):
    """One way to one model. `request` is opaque to the chain: each face brings its own kind."""

    def stream(self, request: Any, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        """Answer `request`, or go on with half an answer to it.

        Raises:
            ModelInferenceError: Whatever went wrong, renamed. Closing the generator ends the request.
        """
        ...

    async def honours_prefill(self) -> bool:
        """Ask the backend, by one short request, whether it goes on with a last message of the assistant.

        Raises:
            ModelInferenceError: Nobody knows: the request itself failed.
        """
        ...

    async def ping(self) -> None:
        """Ask for one token, to see whether it answers at all.

        Raises:
            ModelInferenceError: It does not.
        """
        ...

    async def aclose(self) -> None:
        """Let the connections go."""
        ...
