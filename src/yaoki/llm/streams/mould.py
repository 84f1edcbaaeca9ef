"""Reads the chunks of a stream that differ in their text alone, without parsing each of them.

Once a chunk has been parsed and judged, the JSON around its text is a mould: where the same bytes come again around
other text that needs no unescaping, parsing could only find the same values around that text. That holds for a mould
that was tried: another text in the same place must have parsed to the same chunk with that text.
"""

from collections.abc import Callable
from typing import Any

from yaoki.errors import AIOrchestrationError

Chunk = dict[str, Any]

_TRIALS = 4


class Mould:
    """Follows one stream.

    Args:
        parse: Parses and judges a chunk; what it makes of one must not depend on what the text says.
    """

    __slots__ = ("_after", "_before", "_choice", "_chunk", "_delta", "_from", "_parse", "_to", "_trials")

    def __init__(self, parse: Callable[[str], Chunk | None]) -> None:
        self._parse = parse
        self._trials = _TRIALS
        self._place("", "")
        self._chunk: Chunk = {}
        self._choice: Chunk = {}
        self._delta: Chunk = {}

    def text_in(self, data: str) -> str | None:
        """The text of the chunk in `data`, which `cast` makes of it; None if it has to be parsed."""
        if not self._from or data[: self._from] != self._before or data[self._to :] != self._after:
            return None
        text = data[self._from : self._to]
        return text if _is_plain(text) and len(data) >= self._from - self._to else None

    def cast(self, text: str) -> Chunk:
        """The chunk with this text, or with the texts of several."""
        choice = {**self._choice, "delta": {**self._delta, "content": text}}
        return {**self._chunk, "choices": [choice]}

    def learn(self, data: str, chunk: Chunk) -> None:
        """Take the shape of a chunk that was parsed, if it carries text and nothing that ends a stream."""
        if not self._trials or "\\u" in data or chunk.get("usage"):
            return
        choices: list[Chunk] = chunk["choices"]
        delta: Chunk = (choices[0].get("delta") or {}) if choices else {}
        text = delta.get("content")
        if not text or not isinstance(text, str) or choices[0].get("finish_reason"):
            return
        self._trials -= 1
        before, quoted, after = data.rpartition(f'"{text}"')
        if not quoted or not _is_plain(text):
            return
        self._chunk, self._choice, self._delta = chunk, choices[0], delta
        self._place(f'{before}"', f'"{after}')
        if not self._holds(f"{text}~"):
            self._place("", "")

    def _place(self, before: str, after: str) -> None:
        """Take down what stands around the text, and where that begins and ends."""
        self._before, self._after = before, after
        self._from, self._to = len(before), -len(after)

    def _holds(self, text: str) -> bool:
        """Whether `text` in this place is the chunk's text, and nothing else depends on it."""
        try:
            return self._parse(f"{self._before}{text}{self._after}") == self.cast(text)
        except (ValueError, AIOrchestrationError):
            return False


def _is_plain(text: str) -> bool:
    """Whether it stands in JSON just as it is. Text with characters that hardly occur is parsed, whatever they are."""
    return '"' not in text and "\\" not in text and text.isprintable()
