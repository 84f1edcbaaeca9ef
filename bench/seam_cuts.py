"""Where an answer is cut, and what is wrong with one that was joined again, measured without Yaoki's own rules."""

import json
import re
from collections.abc import Callable
from typing import NamedTuple

FENCE = "```"
_END_CHARS = 12
_EARLY, _IN_A_WORD, _MIDDLE, _LINE = 0.08, 0.3, 0.5, 0.6
_AROUND = 80
_PHRASE_WORDS = 4
_SENTENCE_CHARS = 20
_START_CHARS = 16
_TALK = re.compile(
    r"\b(sure|certainly|of course|here(?: is|'s) the (?:rest|continuation)|continu(?:e|ing|ation)|picking up"
    r"|i apologi[sz]e|send the rest|rest of the message|first words of your|last message"
    r"|connection was|cut off|where (?:i|we) left|let me (?:continue|finish))\b",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"[^.!?。！？\n]+[.!?。！？\n]")


class Cut(NamedTuple):
    """So many characters of an answer arrive."""

    where: str
    at: int


def cuts(text: str) -> list[Cut]:
    """The places to cut `text` at; only those that it has, and none twice."""
    size = len(text)
    inside_word = [at for at in range(1, size) if text[at - 1].isalnum() and text[at].isalnum()]
    lines = [at for at in range(1, size) if text[at - 1] == "\n" and text[:at].strip()]
    blocks = text.split(FENCE)
    wanted = [Cut("early", max(_END_CHARS, int(size * _EARLY)))]
    if inside_word:
        wanted.append(Cut("in a word", _nearest(inside_word, size * _IN_A_WORD)))
    wanted.append(Cut("middle", int(size * _MIDDLE)))
    if lines:
        wanted.append(Cut("after a newline", _nearest(lines, size * _LINE)))
    if len(blocks) > 1:
        wanted.append(Cut("in a code block", len(blocks[0]) + len(FENCE) + len(blocks[1]) // 2))
    wanted.append(Cut("near the end", size - _END_CHARS))
    chosen: dict[int, Cut] = {}
    for cut in wanted:
        if 0 < cut.at < size:
            chosen.setdefault(cut.at, cut)
    return list(chosen.values())


def same(uncut: str, joined: str, seam: int) -> bool:
    """Whether both say the same as far as both go, and both go on after the seam."""
    size = min(len(uncut), len(joined))
    return size > seam and uncut[:size] == joined[:size]


def defects(uncut: str, joined: str, seam: int, *, ended: bool) -> list[str]:
    """What is wrong with `joined`, which goes on at `seam`, and is not wrong with `uncut`.

    Args:
        ended: Both ended by themselves, so that their last lines may be judged, too.
    """
    if same(uncut, joined, seam):
        return []
    found = [name for name, is_wrong in _AT_THE_SEAM.items() if is_wrong(joined, seam) and not is_wrong(uncut, seam)]
    if _gap_differs(uncut, joined, seam):
        found.append("blank lost or added")
    if uncut[seam:].strip() and not joined[seam:].strip():
        found.append("ended where there was more")
    if ended and uncut.count(FENCE) % 2 == 0 and joined.count(FENCE) % 2:
        found.append("code fence left open")
    if ended and _parses(uncut) and not _parses(joined):
        found.append("JSON no longer parses")
    return found


def _gap_differs(uncut: str, joined: str, seam: int) -> bool:
    """Whether the same word follows after other white space."""
    theirs, ours = uncut[seam:], joined[seam:]
    word, same_word = theirs.split(None, 1)[:1], ours.split(None, 1)[:1]
    return word == same_word and bool(word) and _gap(theirs) != _gap(ours)


def _gap(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]


def _word_doubled(text: str, seam: int) -> bool:
    before, after = text[:seam].split()[-1:], text[seam:].split()[:1]
    return bool(before) and before == after and any(map(str.isalpha, before[0]))


def _phrase_doubled(text: str, seam: int) -> bool:
    """Whether the last words before the seam come again soon after it."""
    phrase = " ".join(text[:seam].split()[-_PHRASE_WORDS:])
    return len(phrase) >= _END_CHARS and phrase in " ".join(text[seam : seam + _AROUND].split())


def _sentence_doubled(text: str, seam: int) -> bool:
    """Whether the first whole sentence after the seam was said before it."""
    before = {sentence.strip() for sentence in _SENTENCES.findall(text[:seam])}
    after = [sentence.strip() for sentence in _SENTENCES.findall(text[seam:])[:2]]
    return any(len(sentence) >= _SENTENCE_CHARS and sentence in before for sentence in after)


def _words_run_together(text: str, seam: int) -> bool:
    """Whether a capital letter stands inside a word there."""
    return text[seam - 1 : seam].islower() and text[seam : seam + 1].isupper()


def _talks(text: str, seam: int) -> bool:
    return _TALK.search(text[seam : seam + _AROUND]) is not None


def _restarts(text: str, seam: int) -> bool:
    return seam > _START_CHARS and text[seam:].lstrip().startswith(text[:_START_CHARS])


def _parses(text: str) -> bool:
    """Whether the text, or the code block in it, is JSON."""
    bare = text.strip()
    if bare.startswith(FENCE):
        bare = bare.strip("`").removeprefix("json").strip()
    try:
        return isinstance(json.loads(bare), dict | list)
    except ValueError:
        return False


def _nearest(places: list[int], wanted: float) -> int:
    return min(places, key=lambda at: abs(at - wanted))


_AT_THE_SEAM: dict[str, Callable[[str, int], bool]] = {
    "word doubled": _word_doubled,
    "phrase doubled": _phrase_doubled,
    "sentence doubled": _sentence_doubled,
    "words run together": _words_run_together,
    "talk about the cut": _talks,
    "answer begun again": _restarts,
}
