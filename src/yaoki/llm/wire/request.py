"""What a client of the base URL asks: the body of a chat completion, kept as it came."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from yaoki.llm.chain.attempt import About, Shrink
from yaoki.llm.compaction import Compactor, Shape
from yaoki.llm.seams.continuing import CHARS_PER_TOKEN

Message = dict[str, Any]

LIMITS = ("max_completion_tokens", "max_tokens")
"""Fields by which a client limits the length of an answer."""


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One chat completion request.

    Attributes:
        body: OpenAI's JSON. Each upstream sets `model` and the streaming fields for itself; all else goes on untouched.
    """

    body: Mapping[str, Any]

    @property
    def offers_tools(self) -> bool:
        """Whether the model may call one."""
        return bool(self.body.get("tools")) and self.body.get("tool_choice") != "none"

    @property
    def is_watched(self) -> bool:
        """Whether somebody sees the answer grow."""
        return bool(self.body.get("stream"))

    def about(self, *, shorten: bool = True) -> About:
        """What the chain may know of it.

        Args:
            shorten: Its oldest turns may be left out where no window holds it.
        """
        return About(
            prompt_tokens=_chars(self.body["messages"]) // CHARS_PER_TOKEN,
            may_go_on=not any(self.body.get(name) for name in LIMITS),
            shrink=_shortening(self.body) if shorten else None,
        )


def _shortening(body: Mapping[str, Any]) -> Shrink:
    """Gives the same request with fewer and fewer turns."""
    compactor: Compactor[Message] | None = None

    def shrink() -> tuple[WireRequest, int] | None:
        nonlocal compactor
        compactor = compactor or Compactor(_MESSAGES)
        messages: list[Message] = body["messages"]
        if not compactor.shrink(messages):
            return None
        return WireRequest({**body, "messages": compactor.fitted(messages)}), compactor.left_out

    return shrink


def _chars(messages: Sequence[Message]) -> int:
    """Characters of the messages' own text."""
    chars = 0
    for message in messages:
        content: object = message.get("content")
        if isinstance(content, str):
            chars += len(content)
        elif isinstance(content, list):
            parts = (cast("Message", part) for part in cast("list[object]", content) if isinstance(part, dict))
            chars += sum(len(text) for part in parts if isinstance(text := part.get("text"), str))
    return chars


def _instructions(message: Message) -> Message | None:
    return message if message["role"] in ("system", "developer") else None


_MESSAGES: Shape[Message] = Shape(
    begins_turn=lambda message: message["role"] == "user",
    instructions=_instructions,
    size=lambda messages: len(json.dumps(list(messages))),
)
