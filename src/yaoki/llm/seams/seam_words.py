"""What the seams look for in a text: repetitions, however they are set, and talk that is no answer."""

import re

from yaoki.llm.seams.characters import UNSPACED
from yaoki.llm.seams.refrain import MAX_PERIOD

TELLING_CHARS = 5
TELLING_KINDS = 4
WHOLE_CHARS = 24
"""So much of the beginning of a text is the same by no chance."""
_BLANKS = re.compile(r"\s+")
_FLAT_CHARACTER = re.compile(r"\s+|\S")
PREAMBLE = re.compile(
    r"[\s\"'*_(\[]{0,3}(?:(?:sure|certainly|of course|absolutely|okay|ok|got it|understood|no problem|great"
    r"|yes)\b[,.!:]"
    r"|here is|here's|here are|here you|continuing|continued|continuation:|let me|i'll|i will|i can|i apologi[sz]e"
    r"|i'm sorry|sorry|my apologies|as an ai|as requested|the rest of|to continue|picking up|resuming"
    r"|natürlich|gerne|selbstverständlich|hier ist|voici|bien sûr|désolé|claro|por supuesto|aquí"
    r"|weiter geht|fortsetzung|certo\b|ecco\b|naturalmente|zeker\b|hier is|конечно|вот продолж|oczywiście|oto reszta"
    r"|tabii|물론|بالطبع|assistant:|as i was saying|so, as i"
    r"|当然|好的|以下|もちろん|続き)",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"[A-Z][a-z]+[\s,]|[A-Z]\s")
TALK = re.compile(
    r"(?:the connection was|your last message|send the rest|the first words of your|the message was cut"
    r"|it (?:seems|looks|appears)(?: like| that)? (?:your|the|this) [lmtar]"
    r"|here(?: is|'s) the (?:rest|continuation)|continu(?:ing|ed) (?:from|where)|(?:sure|certainly)[,!.]"
    r"|(?:i'm|i am) sorry for (?:the|any) (?:confusion|inconvenience|interruption|misunderstanding)"
    r"|i apologi[sz]e for (?:the|any) (?:confusion|inconvenience|interruption|misunderstanding))",
    re.IGNORECASE,
)
"""What a model says after the last words if it has not understood: a word about the cut, or what it was asked."""


def flat(text: str) -> str:
    """The text with every run of white space made one blank: who repeats it may have set it anew."""
    return _BLANKS.sub(" ", text)


def ends(text: str) -> list[int]:
    """Where in `text` each character of its flat form ends."""
    return [match.end() for match in _FLAT_CHARACTER.finditer(text)]


def is_edge(before: str, after: str) -> bool:
    """Whether a word may begin or end between two characters."""
    return not (before.isalnum() and after.isalnum()) or bool(UNSPACED.match(before) or UNSPACED.match(after))


def is_telling(text: str) -> bool:
    """Whether this cannot well stand at two places by chance."""
    return len(text) >= TELLING_CHARS and len(set(text) - {" ", "\n", "\t"}) >= TELLING_KINDS


def is_beginning_of(text: str, shown: str) -> bool:
    """Whether so much of the beginning of `text` is that of `shown` that it cannot be chance."""
    same = text[:WHOLE_CHARS]
    return len(same) == WHOLE_CHARS and shown.startswith(same) and is_telling(same)


def is_refrain(flat: str) -> bool:
    """Whether a text is a few words over and over, so that more of them may well follow."""
    longest = len(flat) - 3 if len(flat) < WHOLE_CHARS else min(len(flat) // 2, MAX_PERIOD)
    return any(flat.startswith(flat[period:]) for period in range(1, longest + 1))
