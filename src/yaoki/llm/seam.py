"""Where two models' halves of one answer meet.

Two rules make a seam checkable. First, text is shown only up to the end of a whole word (`WordGate`), so what a
continuation starts from is exactly what the person saw: nothing shown is ever rolled back. Second, the first characters
of a continuation are looked at before any is shown (`Seam`): a repetition of what is already there is trimmed, a
preamble or a fresh start is refused. A seam is decided as soon as no suspicion is left, usually with the first token.
"""

import re

from yaoki.llm.deltas import ContinuationMode

ANCHOR_CHARS = 48
"""How much of the shown text an instructed continuation is asked to repeat."""
_MAX_HELD = 24
_MIN_OVERLAP = 5
_WINDOW = 400
_BOUNDARY = re.compile(r"\s+\S*\Z|(?<=[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\u3000-\u30ff])[^\s]*\Z")
_PREAMBLES = (
    "sure",
    "certainly",
    "of course",
    "absolutely",
    "okay",
    "here is",
    "here's",
    "here are",
    "continuing",
    "continued",
    "let me continue",
    "i'll continue",
    "i will continue",
    "i apologize",
    "i'm sorry",
    "sorry",
    "as an ai",
    "as requested",
    "the rest of",
    "natürlich",
    "gerne",
    "voici",
    "bien sûr",
    "claro",
    "por supuesto",
)


class SeamRefusedError(Exception):
    """What came is not a continuation of what was shown."""


class WordGate:
    """Lets whole words through and holds back the last one until it is known to be whole.

    A run without any boundary is let through after 24 characters: ideographs count as words of their own.
    """

    __slots__ = ("held", "whole")

    def __init__(self) -> None:
        self.held = ""
        self.whole = True

    def feed(self, text: str) -> str:
        """Take received text; return what may be shown now."""
        text = self.held + text
        match = _BOUNDARY.search(text)
        cut = match.start() if match else 0
        self.whole = True
        if len(text) - cut > _MAX_HELD and not text[cut:].isspace():
            cut, self.whole = len(text), False
        self.held = text[cut:]
        return text[:cut]

    def flush(self) -> str:
        """The answer is whole: return the rest."""
        rest, self.held = self.held, ""
        return rest


class Seam:
    """Judges the beginning of a continuation of `shown`.

    Args:
        shown: What the person has seen; not empty.
        mode: A prefilled continuation should go straight on; an instructed one must first repeat the anchor.
        gap: White space known to have followed `shown` before the cut.
        whole: Whether `shown` ends with a whole word.
    """

    def __init__(self, shown: str, mode: ContinuationMode, gap: str = "", *, whole: bool = True) -> None:
        self._shown = shown
        self._mode = mode
        self._gap = gap
        self._whole = whole
        self._buffer = ""
        self.decided = False

    def feed(self, text: str) -> str:
        """Take received text; return what may be shown, empty while undecided.

        Raises:
            SeamRefusedError: This is no continuation.
        """
        if self.decided:
            return text
        self._buffer += text
        if self._suspicious(self._buffer):
            return ""
        return self._decide()

    def flush(self) -> str:
        """The stream is whole: decide with what there is.

        Raises:
            SeamRefusedError: This is no continuation.
        """
        return "" if self.decided else self._decide()

    def _suspicious(self, text: str) -> bool:
        """Whether `text` could still turn out to be a repetition or a preamble."""
        start = text.lstrip()
        if not start:
            return len(text) < _WINDOW
        if len(start) < min(len(self._shown), _WINDOW) and self._shown.startswith(start):
            return True
        tail = self._shown[-_WINDOW:]
        if any(tail[i:].startswith(start) and len(tail) - i > len(start) for i in range(len(tail))):
            return True
        folded = start.casefold()
        return any(words.startswith(folded) and words != folded for words in _PREAMBLES)

    def _decide(self) -> str:
        self.decided = True
        text, self._buffer = self._buffer, ""
        repeated = _repetition(self._shown, text.lstrip())
        if repeated:
            return text.lstrip()[repeated:]
        if not text.strip():
            return text
        if self._mode == "instruction":
            raise SeamRefusedError("the instructed continuation does not repeat the anchor")
        return self._join(text)

    def _join(self, text: str) -> str:
        if text[0].isspace() or not self._whole:
            return text
        if text.casefold().startswith(_PREAMBLES):
            raise SeamRefusedError("the continuation begins with a preamble")
        if not text[0].isalnum():
            return text
        ended = self._shown[-1] in ".!?:;\n"
        if text[0].isupper() and not ended:
            raise SeamRefusedError("the continuation begins a sentence of its own")
        return (self._gap or " ") + text


def _repetition(shown: str, text: str) -> int:
    """How many characters at the start of `text` repeat `shown`: all of it, or its end from a word's start."""
    if text.startswith(shown[:_WINDOW]):
        return len(shown) if text.startswith(shown) else 0
    longest = min(len(shown), len(text), _WINDOW)
    for size in range(longest, _MIN_OVERLAP - 1, -1):
        begins_word = size == len(shown) or not (shown[-size - 1].isalnum() and shown[-size].isalnum())
        ends_word = size == len(text) or not text[size].isalnum()
        if begins_word and ends_word and shown.endswith(text[:size]):
            return size
    return 0


def anchor_of(shown: str) -> str:
    """The last words of `shown` that an instructed continuation has to begin with."""
    tail = shown[-ANCHOR_CHARS:]
    space = tail.find(" ")
    return tail if len(tail) == len(shown) or space < 0 else tail[space + 1 :]
