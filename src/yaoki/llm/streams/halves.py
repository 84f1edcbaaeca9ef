"""Characters that came in two halves.

JSON may escape a character beyond the basic plane as a pair of surrogates, and a model whose tokens are bytes may have
each of them in a chunk of its own, or only one. Half a character can neither be stored nor sent on, so halves are
joined, and one that stays alone becomes U+FFFD, which says that something was lost.
"""

import re
from typing import Any, cast

_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_FIRST = re.compile("[\ud800-\udbff]$")


class Halves:
    r"""Follows the texts of one stream, each by its place in the chunks.

    Example:
        >>> halves = Halves()
        >>> [halves.joined({"a": text}, r'"\ud83d…"')["a"] for text in ("so \ud83d", "\ude00 it \ude00", "is")]
        ['so ', '😀 it \ufffd', 'is']
    """

    __slots__ = ("_first",)

    def __init__(self) -> None:
        self._first: dict[tuple[object, ...], str] = {}

    @property
    def waiting(self) -> bool:
        """Whether a first half waits for its second."""
        return bool(self._first)

    def joined(self, chunk: Any, data: str) -> Any:
        """The chunk with whole characters only; a first half at the end of a text is kept for the next chunk.

        Args:
            chunk: What `data` says.
            data: The JSON; hardly any of it has halves, and then nothing is done.
        """
        if not self._first and not ("\\u" in data and _ESCAPED.search(data)):
            return chunk
        return self._walk(chunk, ())

    def _walk(self, value: object, place: tuple[object, ...]) -> Any:
        if isinstance(value, str):
            return self._text(value, place)
        if isinstance(value, dict):
            items = cast("dict[str, object]", value).items()
            return {_whole(key): self._walk(inner, (*place, key)) for key, inner in items}
        if isinstance(value, list):
            return [self._walk(inner, (*place, n)) for n, inner in enumerate(cast("list[object]", value))]
        return value

    def _text(self, text: str, place: tuple[object, ...]) -> str:
        if not text:
            return text
        text = self._first.pop(place, "") + text
        if _FIRST.search(text):
            self._first[place], text = text[-1], text[:-1]
        return _whole(text)


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
