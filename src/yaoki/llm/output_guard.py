"""Ends what would not end: too much of everything, blanks, and the same words over and over.

What happens to an answer that will not end depends on whether a person has seen it. Shown text is ended with `length`,
and said to be: going on elsewhere would hand the loop to the next model, and somebody may have asked for a thousand
times the same. What nobody has seen (blanks, reasoning, tool calls, held text) is the model's fault, and another one is
asked.
"""

from typing import Literal

from yaoki.errors import ModelMalformedError
from yaoki.llm.characters import UNSEEN
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

    Attributes:
        excess: What there was too much of, where the text so far may stand; None as a rule.
        chars: Characters so far, of text, reasoning and tool calls.
    """

    __slots__ = ("_blanks", "_limit", "_loops", "_shown", "chars", "excess")

    def __init__(self, max_output_tokens: int, *, shown: bool) -> None:
        self.excess: Excess | None = None
        self.chars = 0
        self._limit = max_output_tokens * CHARS_PER_TOKEN
        self._shown = shown
        self._blanks = 0
        self._loops = {Text: _LoopFinder(), Reasoning: _LoopFinder()}

    def take(self, delta: Delta) -> None:
        """Count `delta`, and note in `excess` if it makes too much of something.

        Raises:
            ModelMalformedError: Too much of what nobody has seen.
        """
        if isinstance(delta, Text | Reasoning):
            visible = self._shown and isinstance(delta, Text)
            self.chars += len(delta.text)
            if isinstance(delta, Text):
                self._count_blanks(delta.text)
            if self._loops[type(delta)].finds(delta.text):
                self._end("loop", visible=visible)
        elif isinstance(delta, ToolCallPiece):
            visible = False
            self.chars += delta.chars
        else:
            return
        if self.chars > self._limit:
            self._end("endless", visible=visible)

    def _end(self, excess: Excess, *, visible: bool) -> None:
        if not visible:
            raise ModelMalformedError("The model does not come to an end.", fault=excess)
        self.excess = excess

    def _count_blanks(self, text: str) -> None:
        blank = len(text) - len(text.rstrip(UNSEEN))
        self._blanks = self._blanks + blank if blank == len(text) else blank
        if self._blanks > MAX_BLANKS:
            raise ModelMalformedError("The model sends nothing but blanks.", fault="blanks")


class _LoopFinder:
    """Looks now and then whether the last `LOOP_CHARS` are one passage of at most `MAX_PERIOD` characters, repeated."""

    __slots__ = ("_new", "_size", "_tail")

    def __init__(self) -> None:
        self._tail = ""
        self._new: list[str] = []
        self._size = 0

    def finds(self, text: str) -> bool:
        self._new.append(text)
        self._size += len(text)
        if self._size < _LOOK_EVERY:
            return False
        self._tail = (self._tail + "".join(self._new))[-LOOP_CHARS:]
        self._new.clear()
        self._size = 0
        return len(self._tail) == LOOP_CHARS and _is_periodic(self._tail)


def _is_periodic(text: str) -> bool:
    end = text[-MAX_PERIOD:]
    before = text.rfind(end, 0, -1)
    period = len(text) - MAX_PERIOD - before
    return before >= 0 and period <= MAX_PERIOD and text[period:] == text[:-period]
