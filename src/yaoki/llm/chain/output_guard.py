"""Ends what would not end: too much of everything, blanks, and the same words over and over.

Blanks and the same words without end are the model's fault, and another one is asked: nobody wants more of them, and a
person has seen few. What happens to an answer that is merely too long depends on whether a person has seen it: text
that was shown is ended with `length`, and said to be; anything else (reasoning, tool calls, held text) without end is
the model's fault, too.
"""

from typing import Literal

from yaoki.errors import ModelMalformedError
from yaoki.llm.deltas import Delta, Reasoning, Text, ToolCallPiece
from yaoki.llm.seams.characters import UNSEEN
from yaoki.llm.seams.refrain import Refrain

Excess = Literal["endless"]

MOST_CHARS_PER_TOKEN = 8
"""More than any tokenizer needs on average: the provider's own limit is meant to act first."""
MAX_BLANKS = 2_000

_LOOK_EVERY = 400


class OutputGuard:
    """Counts one response.

    Args:
        max_output_tokens: The candidate's limit.
        shown: Whether its text reaches a person at once.

    Attributes:
        excess: What there was too much of, where the text so far may stand; None as a rule.
        chars: Characters so far, of text, reasoning and tool calls.
    """

    __slots__ = ("_blanks", "_limit", "_refrains", "_shown", "chars", "excess")

    def __init__(self, max_output_tokens: int, *, shown: bool) -> None:
        self.excess: Excess | None = None
        self.chars = 0
        self._limit = max_output_tokens * MOST_CHARS_PER_TOKEN
        self._shown = shown
        self._blanks = 0
        self._refrains = {kind: Refrain(look_every=_LOOK_EVERY) for kind in (Text, Reasoning)}

    def take(self, delta: Delta) -> None:
        """Count `delta`, and note in `excess` if it makes too much of something.

        Raises:
            ModelMalformedError: Too much of what nobody has seen or wants.
        """
        if isinstance(delta, Text | Reasoning):
            visible = self._shown and isinstance(delta, Text)
            self.chars += len(delta.text)
            if isinstance(delta, Text):
                self._count_blanks(delta.text)
            self._count_repetitions(self._refrains[type(delta)], delta.text)
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

    def _count_repetitions(self, refrain: Refrain, text: str) -> None:
        refrain.feed(text)
        if refrain.endless:
            raise ModelMalformedError("The model says the same words over and over.", fault="loop")

    def _count_blanks(self, text: str) -> None:
        blank = len(text) - len(text.rstrip(UNSEEN))
        self._blanks = self._blanks + blank if blank == len(text) else blank
        if self._blanks > MAX_BLANKS:
            raise ModelMalformedError("The model sends nothing but blanks.", fault="blanks")
