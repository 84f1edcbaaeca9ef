"""Ends what would not end: too much of everything, blanks, and the same words over and over.

What happens to an answer that will not end depends on whether a person has seen it. Shown text is ended with `length`,
and said to be: going on elsewhere would hand the loop to the next model, and a person may have asked for a thousand times
the same. What nobody has seen (blanks, reasoning, tool calls, held text) is the model's fault, and another one is asked.
"""

from typing import Literal

from yaoki.errors import ModelMalformedError
from yaoki.llm.deltas import Delta, Reasoning, Text, ToolCallPiece

Excess = Literal["endless", "loop"]

CHARS_PER_TOKEN = 8
"""More than any tokenizer needs on average: the provider's own limit is meant to act first."""
MAX_BLANKS = 2_000
LOOP_CHARS = 3_000
"""Text of this length that is one short passage again and again is a loop."""
MAX_PERIOD = 200
_LOOK_EVERY = 512


class OutputGuard:
    """Counts one response.

    Args:
        max_output_tokens: The candidate's limit.
        shown: Whether its text reaches a person at once.
    """

    __slots__ = ("_blanks", "_chars", "_left", "_looks", "_shown", "_tails")

    def __init__(self, max_output_tokens: int, *, shown: bool) -> None:
        self._left = max_output_tokens * CHARS_PER_TOKEN
        self._shown = shown
        self._blanks = 0
        self._chars = 0
        self._tails = {Text: "", Reasoning: ""}
        self._looks = {Text: 0, Reasoning: 0}

    def excess(self, delta: Delta) -> Excess | None:
        """What `delta` makes too much of; None as a rule.

        Raises:
            ModelMalformedError: Too much of what nobody has seen.
        """
        if isinstance(delta, ToolCallPiece):
            return self._count(delta.chars, visible=False)
        if not isinstance(delta, Text | Reasoning):
            return None
        visible = self._shown and isinstance(delta, Text)
        if isinstance(delta, Text):
            self._count_blanks(delta.text)
        if self._loops(type(delta), delta.text):
            if not visible:
                raise ModelMalformedError("The model writes the same over and over.", fault="loop")
            return "loop"
        return self._count(len(delta.text), visible=visible)

    def _count(self, chars: int, *, visible: bool) -> Excess | None:
        self._left -= chars
        if self._left >= 0:
            return None
        if not visible:
            raise ModelMalformedError("The model does not come to an end.", fault="endless")
        return "endless"

    def _count_blanks(self, text: str) -> None:
        blank = len(text) - len(text.rstrip())
        self._blanks = self._blanks + blank if blank == len(text) else blank
        if self._blanks > MAX_BLANKS:
            raise ModelMalformedError("The model sends nothing but blanks.", fault="blanks")

    def _loops(self, kind: type[Text | Reasoning], text: str) -> bool:
        tail = (self._tails[kind] + text)[-LOOP_CHARS:]
        self._tails[kind] = tail
        self._looks[kind] += len(text)
        if self._looks[kind] < _LOOK_EVERY:
            return False
        self._looks[kind] = 0
        return len(tail) == LOOP_CHARS and _is_periodic(tail)


def _is_periodic(text: str) -> bool:
    """Whether `text` is one passage of at most `MAX_PERIOD` characters, repeated."""
    end = text[-MAX_PERIOD:]
    before = text.rfind(end, 0, -1)
    period = len(text) - MAX_PERIOD - before
    return before >= 0 and period <= MAX_PERIOD and text[period:] == text[:-period]
