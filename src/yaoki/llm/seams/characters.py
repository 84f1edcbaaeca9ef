"""What the seams have to know about characters: where a word may end, and what must never be parted."""

import re
import unicodedata

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u2e80-\u303f"  # CJK radicals, punctuation
    "\u3040-\u30ff"  # kana
    "\u3100-\u312f\u31a0-\u31ff"  # bopomofo, kana extensions
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # ideographs
    "\uff00-\uffef"  # full and half width forms
    "\U00020000-\U0003ffff"  # more ideographs
)
UNSPACED = re.compile(f"[{_UNSPACED}]")
"""A character of a script that puts no white space between words."""
WORD_END = re.compile(rf"(?<=\S)(?=\s)|(?<=[{_UNSPACED}])(?=\S)|(?<=\S)(?=[{_UNSPACED}])")
"""A place where a word may end, if it does not part a character from what extends it."""

ZERO_WIDTH = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff\0"
"""Characters that take no room: alone, they say nothing."""
UNSEEN = ZERO_WIDTH + "".join(character for character in map(chr, range(0x3001)) if character.isspace())
"""These, and white space."""

_JOINER = "\u200d"
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]")
_EXTENDING = re.compile("[\u200c\u200d\ufe00-\ufe0f\u1160-\u11ff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")


def parts_a_character(text: str, at: int) -> bool:
    """Whether cutting `text` at `at` would part what a person sees as one character.

    Combining marks, joined emoji, flags, tones of skin, jamo. `at` is above 0 and below the length.
    """
    before, after = text[at - 1], text[at]
    if before == _JOINER or after.isascii():
        return before == _JOINER or (before == "\r" and after == "\n")
    if _FLAG.match(after):
        return bool(_FLAG.match(before))  # flags in a row stay together: which two belong together cannot be seen here
    return bool(_EXTENDING.match(after)) or unicodedata.category(after)[0] == "M"
