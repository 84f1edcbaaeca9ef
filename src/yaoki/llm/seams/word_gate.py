"""Shows text in whole words.

What a continuation starts from is exactly what a person has seen, so nothing shown is ever rolled back. A word is whole
when white space follows it, or, in scripts without white space, when the next character has come. A run without an end
is let through after a while, up to its last whole character; `whole` then says that the seam may lie inside a word.
"""

from yaoki.llm.seams.characters import UNSEEN, WORD_END, ZERO_WIDTH, parts_a_character

MAX_HELD = 24
"""Characters of one word that are held back at most."""


class WordGate:
    """Takes text as it comes, gives back what may be shown.

    Attributes:
        held: What has come and may not be shown yet.
        whole: Whether what was let through last ended with a whole word.
    """

    __slots__ = ("held", "whole")

    def __init__(self) -> None:
        self.held: str = ""
        self.whole = True

    def feed(self, text: str) -> str:
        """Take received text; return what may be shown now."""
        if not text:
            return ""
        text = self.held + text
        cut = _last_end_ascii(text) if text.isascii() else _last_end(text)
        if cut:
            self.whole = True
        if len(text) - cut > MAX_HELD and len(text[cut:].strip(UNSEEN)) > MAX_HELD:
            cut, self.whole = len(text[: _last_character(text)].rstrip(ZERO_WIDTH)), False
        if not text[:cut].strip(UNSEEN):
            cut = 0
        self.held = text[cut:]
        return text[:cut]

    def end_word(self) -> str:
        """Something else than text has come: return the word that was held, which is whole; blanks stay."""
        word = self.held.rstrip()
        self.held = self.held[len(word) :]
        self.whole = self.whole or bool(word)
        return word

    def flush(self) -> str:
        """The answer is whole: return the rest."""
        rest, self.held = self.held, ""
        return rest


def _last_end_ascii(text: str) -> int:
    """Where the last whole word ends; 0 if none does."""
    if text[-1].isspace():
        return len(text.rstrip())
    head = text.rsplit(None, 1)
    return len(head[0]) if len(head) > 1 else 0


def _last_end(text: str) -> int:
    ends = [match.start() for match in WORD_END.finditer(text)]
    return next((end for end in reversed(ends) if not parts_a_character(text, end)), 0)


def _last_character(text: str) -> int:
    """Where the last character begins, with all that may still extend it; the end of plain ASCII."""
    if text.isascii():
        return len(text)
    return next((at for at in range(len(text) - 1, 0, -1) if not parts_a_character(text, at)), 0)
