"""What is known of the text before a seam: what a person has seen, and what had come after it, unseen."""

from yaoki.llm.seams.characters import UNSPACED, WORD_END
from yaoki.llm.seams.seam_words import TELLING_CHARS, ends, flat, is_edge, is_refrain, is_telling
from yaoki.llm.seams.word_gate import MAX_HELD as LONGEST_HELD_WORD

ANCHOR_CHARS = 48
"""How much of the shown text an instructed continuation is asked to repeat."""
LONGEST_REPETITION = 400
"""Characters at the beginning of a continuation in which the last words are looked for."""


class Shown:
    """The text before one seam.

    Args:
        shown: What the person has seen; not empty.
        gap: White space known to have followed `shown`; None if that is not known.
        whole: Whether `shown` ends with a whole word, as far as that is known: after a crash it is not, where `shown`
            ends with a run so long that it may have been shown before its end.
        more: What the first half went on with, unseen: as a rule white space, and a part of the next word.

    Attributes:
        text: What was shown, up to its last word.
        flat: The same, with each run of white space made one blank.
        blank: White space after it that was shown, too.
        gap: What belongs between it and the next word: as was known, or as can be guessed.
        whole: It ends with a whole word.
        lost: `more`, flat: the witness.
        words: There were words in `more`.
    """

    __slots__ = ("blank", "flat", "gap", "lost", "text", "whole", "words")

    def __init__(self, shown: str, *, gap: str | None, whole: bool, more: str) -> None:
        self.text = shown.rstrip()
        self.flat = flat(self.text)
        self.whole = bool(gap) or (whole and not (gap is None and _may_be_cut(self.text)))
        self.blank = shown[len(self.text) :]
        self.gap = (self.blank or ("" if UNSPACED.match(shown[-1]) or not self.whole else " ")) if gap is None else gap
        self.lost = flat(more)
        self.words = any(map(str.isalnum, more))

    @property
    def anchor(self) -> str:
        """The last words, which an instructed continuation has to begin with."""
        return anchor_of(self.text)

    def is_begun_by(self, text: str) -> bool:
        """Whether the text from its beginning starts with these words."""
        return self.flat.startswith(flat(text.lstrip()))

    def agrees(self, text: str) -> bool:
        """Whether this goes on with what had come, unseen."""
        word = self.lost.strip()
        return bool(word) and text.lstrip().startswith(word)

    def disagrees(self, text: str) -> bool:
        """Whether this says another word than the one that had come; not before that can be seen."""
        word, start = self.lost.strip(), flat(text.lstrip())
        return bool(word) and not start.startswith(word) and not word.startswith(start)

    @property
    def is_various(self) -> bool:
        """Whether what was shown is more than a sign that may well be set twice."""
        return len(set(self.text)) > 1 or bool(self.gap)

    @property
    def is_refrain(self) -> bool:
        """Whether what was shown is a few words over and over, so that more of them may well follow."""
        return is_refrain(f"{self.flat} " if self.gap else self.flat)

    def is_doubled(self, size: int) -> bool:
        """Whether what stands before the last `size` characters ends as they do, so that they may come once more."""
        return self.flat[:-size].rstrip().endswith(self.flat[-min(size, TELLING_CHARS) :])

    def may_end_with(self, text: str) -> bool:
        """Whether its last words may turn out to begin with these."""
        tail, start = self.flat[-LONGEST_REPETITION:], flat(text)
        return any(tail.startswith(start, at) and len(tail) - at >= len(start) for at in range(len(tail)))

    def any_overlap(self, text: str) -> int:
        """As `overlap`, if it may be chance."""
        return self.overlap(text, least=1)

    def overlap(self, text: str, least: int = TELLING_CHARS) -> int:
        """How many characters at the beginning of `text` repeat the end of what was shown, from a word's start."""
        shown, start = self.flat, flat(text)
        for size in range(min(len(shown), len(start), LONGEST_REPETITION), least - 1, -1):
            begins = size == len(shown) or is_edge(shown[-size - 1], shown[-size])
            stops = size == len(start) or not self.whole or is_edge(start[size - 1], start[size])
            telling = least < TELLING_CHARS or is_telling(start[:size])
            if begins and stops and shown.endswith(start[:size]) and telling:
                return ends(text)[size - 1]
        return 0


def anchor_of(shown: str) -> str:
    """The last words of `shown` that an instructed continuation has to begin with."""
    tail = shown.rstrip()[-ANCHOR_CHARS:]
    space = tail.find(" ")
    return tail if len(tail) == len(shown.rstrip()) or space < 0 else tail[space:].lstrip()


def _may_be_cut(shown: str) -> bool:
    """Whether the last word is so long that the gate does not wait for its end."""
    tail = shown[-LONGEST_HELD_WORD:]
    return len(tail) == LONGEST_HELD_WORD and not (any(map(str.isspace, tail)) or WORD_END.search(tail))
