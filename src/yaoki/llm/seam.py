"""Where two models' halves of one answer meet.

The first characters of a continuation are looked at before any is shown. What is there already is trimmed; what is no
continuation is refused; everything else is joined. A seam is decided as soon as no suspicion is left, as a rule with
the first token.

    what comes                                    prefill                       instruction
    white space first, where white space belongs  goes on: shown as it is       as below
    the whole text again, from its beginning      trimmed                       trimmed
    its last words again                          trimmed, if telling           trimmed, also twice
    another answer that begins as it did          refused                       refused
    a preamble, then its last words               refused                       trimmed up to their end
    a preamble, a sentence of its own             refused                       refused
    punctuation, a small letter                   goes on, the gap put back     goes on, if more had come
    nothing, where there was more to say          refused                       refused, also after the last words
    its last words over and over                  as its last words again       refused
    its last words, then a word about the cut     shown                         refused
    "…", where words were to come                 refused                       refused

White space tells much: a backend that goes on with a text continues with the blank that follows it, while one that
begins a turn of its own does not. So a repetition right after a blank is believed to be meant ("again and again", rows
of a table, lines of code), unless it is the whole answer from the beginning. A repetition is telling if it cannot well
be chance: five characters, four of them different, from the start of a word. A repetition may be set anew: white space
counts as such, whatever it consists of.

What the first half had gone on with, unseen, is a witness. Whoever begins without the white space that stood there, or
repeats what was shown, and says another word than the one that had come, is believed less; and a text that could be
either, all of it again or more of the same, is refused.
"""

from yaoki.llm.characters import UNSPACED, WORD_END
from yaoki.llm.deltas import HalfAnswer
from yaoki.llm.seam_words import (
    PREAMBLE,
    SENTENCE,
    TALK,
    TELLING_CHARS,
    WHOLE_CHARS,
    ends,
    flat,
    is_beginning_of,
    is_edge,
    is_refrain,
    is_telling,
)
from yaoki.llm.word_gate import MAX_HELD as LONGEST_HELD_WORD

ANCHOR_CHARS = 48
"""How much of the shown text an instructed continuation is asked to repeat."""
MAX_HELD = 400
"""Characters of a continuation that are held back at most while it is in doubt; more only of the whole answer again."""
_SENTENCE_ENDS = tuple(".!?:;。！？：；…)]}\"'”’»」』`*|\n")
_ATTACHED = tuple(".,;:!?)]}%…’”»、。，！？；：）」』")
_QUOTES = "\"'`«“„…. \t\r\n>*"
_UNQUOTES = "\"'`”»…"
"""Signs that a model may put before and after the last words that it repeats."""
_SIGNS = ":\n"
_DOTS = ("…", "...")
_BETWEEN = f"{_QUOTES}{_UNQUOTES},:-—"
"""Signs that it may put between them when it repeats them twice."""
_LONGEST_PREAMBLE = 24

_LONGEST_TALK = 32


class SeamRefusedError(Exception):
    """What came is not a continuation of what was shown."""


class Seam:
    """Judges the beginning of a continuation.

    Args:
        shown: What the person has seen; not empty.
        half: How the continuation was asked for.
        gap: White space known to have followed `shown`; None if that is not known.
        whole: Whether `shown` ends with a whole word, as far as that is known: after a crash it is not, where `shown`
            ends with a run so long that it may have been shown before its end.
        more: What the first half went on with, unseen: as a rule white space, and a part of the next word.

    Attributes:
        decided: Everything fed from now on is let through.
    """

    __slots__ = ("_blank", "_buffer", "_flat", "_gap", "_half", "_lost", "_shown", "_whole", "_words", "decided")

    def __init__(
        self, shown: str, half: HalfAnswer, *, gap: str | None = None, whole: bool = True, more: str = ""
    ) -> None:
        self._shown = shown.rstrip()
        self._flat = flat(self._shown)
        self._half = half
        self._whole = bool(gap) or (whole and not (gap is None and _may_be_cut(self._shown)))
        self._blank = shown[len(self._shown) :]
        self._gap = (
            (self._blank or ("" if UNSPACED.match(shown[-1]) or not self._whole else " ")) if gap is None else gap
        )
        self._lost = flat(more)
        self._words = any(map(str.isalnum, more))
        self._buffer = ""
        self.decided = False

    @property
    def begun(self) -> bool:
        """Whether anything but white space waits to be judged."""
        return bool(self._buffer.strip())

    def feed(self, text: str) -> str:
        """Take received text; return what may be shown, empty while undecided.

        Raises:
            SeamRefusedError: This is no continuation.
        """
        if self.decided:
            return text
        self._buffer += text
        if self._in_doubt(self._buffer) and self._may_be_held(self._buffer):
            return ""
        return self._once(self._decide())

    def flush(self, *, calls: bool = False) -> str:
        """The stream is whole: decide with what there is.

        Args:
            calls: The response asks for tools, so it need not go on with a text that was all there.

        Raises:
            SeamRefusedError: This is no continuation.
        """
        if self.decided:
            return ""
        called = calls and self._half.calling
        if self._words and not called and not any(map(str.isalnum, self._buffer)):
            raise SeamRefusedError("the continuation has no word where there were more to come")
        text = self._once(self._decide()) if self._buffer.strip() else "" if self._instructed else self._buffer
        self.decided = True
        went_on = self._lost.strip() or (self._instructed and "\n" in self._gap)  # a new line is begun to be written on
        more = self._half.calling or went_on or not self._shown.endswith(_SENTENCE_ENDS)
        if more and not called and _says_nothing(text, self._lost):
            raise SeamRefusedError("the continuation is empty where there was more to say")
        return text

    def _once(self, text: str) -> str:
        """White space that was shown already is not shown again."""
        return text.lstrip() if self._blank else text

    @property
    def _instructed(self) -> bool:
        return self._half.mode == "instruction"

    def _goes_on(self, text: str) -> bool:
        """Whether a blank, or a mark that closes, stands where a continuation has it, and a turn of its own has not."""
        if self._instructed or not text:
            return False
        return text[0] in _ATTACHED or (text[0].isspace() and (not self._whole or bool(self._gap)))

    def _in_doubt(self, text: str) -> bool:
        """Whether more of the text could turn it into a repetition or a preamble."""
        start = text.lstrip()
        if not start or (self._words and not any(map(str.isalnum, start))):
            return True
        if self._begins_again(text) and (not self._goes_on(text) or self._may_be_again(text)):
            return True
        if len(start) < _LONGEST_PREAMBLE and not self._is_word_by_word(text):
            return True
        if self._goes_on(text):
            return not text[0].isspace() and self._repeats_so_far(start)
        return self._repeats_so_far(start) or (self._instructed and self._quotes_in_doubt(start))

    def _quotes_in_doubt(self, start: str) -> bool:
        """Whether the last words may yet come, or come again, or be followed by talk."""
        end = self._anchor_end(start)
        if end is None:
            return PREAMBLE.match(start) is not None
        if self._agrees(start[end:]):
            return False
        rest = self._after_anchors(start[end:])[0].lstrip(_BETWEEN)
        return anchor_of(self._shown).startswith(rest) or len(rest) < _LONGEST_TALK

    def _begins_again(self, text: str) -> bool:
        return self._flat.startswith(flat(text.lstrip()))

    def _may_be_held(self, text: str) -> bool:
        """Whether it is short, or has been the answer from its beginning for so long that the rest is worth a wait."""
        return len(text) < MAX_HELD or not text.strip() or (self._begins_again(text) and is_telling(text))

    def _is_word_by_word(self, text: str) -> bool:
        """Whether a short text is innocent already: a small letter or punctuation after the right blank."""
        start = text.lstrip()
        return self._goes_on(text) and not start[0].isupper() and PREAMBLE.match(start) is None

    def _repeats_so_far(self, start: str) -> bool:
        tail = self._flat[-MAX_HELD:]
        start = flat(start.lstrip(_QUOTES) if self._instructed else start)
        return any(tail.startswith(start, at) and len(tail) - at >= len(start) for at in range(len(tail)))

    def _decide(self) -> str:
        self.decided = True
        text, self._buffer = self._buffer, ""
        start = text.lstrip()
        if self._is_all_again(text, start):
            if not self._is_surely_again(text) or self._may_be_quoted(start) or self._is_refrain:
                raise SeamRefusedError("the continuation may be the whole text again, or more of the same")
            return self._after_all(start)
        if self._goes_on(text):
            if PREAMBLE.match(start) is not None or self._begins_a_paragraph(text):
                raise SeamRefusedError("the continuation begins with a preamble")
            again = self._shown.endswith(text[0]) or self._overlap(text)
            if not text[0].isspace() and again and not self._agrees(text):
                raise SeamRefusedError("the continuation begins with the last mark or the last words again")
            self._refuse_quotes(text)
            return text
        end = self._anchor_end(start) if self._instructed else self._overlap(start)
        if end and self._instructed:
            return self._after_the_quote(start, end)
        if end:
            return self._after_the_last_words(start, end)
        return self._join(text, start)

    def _is_all_again(self, text: str, start: str) -> bool:
        if not flat(start).startswith(self._flat):
            return False
        if self._goes_on(text):
            return self._may_be_again(text)
        return self._is_various or len(self._shown) >= TELLING_CHARS or not self._agrees(text)

    def _may_be_again(self, text: str) -> bool:
        """Whether this, which goes on with the very words shown, is more than words that are said twice."""
        unwitnessed = not self._lost.strip() and not any(map(str.isspace, self._shown))
        return is_telling(self._flat) or self._disagrees(text) or unwitnessed

    def _is_surely_again(self, text: str) -> bool:
        """Whether this, which begins as all that was shown did, cannot be the same words once more."""
        if self._goes_on(text):
            return self._disagrees(text) or (len(self._shown) >= WHOLE_CHARS and not self._lost.strip())
        doubtful = self._agrees(text) or not self._is_various or len(self._shown) < TELLING_CHARS
        return self._disagrees(text) or not doubtful

    @property
    def _is_various(self) -> bool:
        """Whether what was shown is more than a sign that may well be set twice."""
        return len(set(self._shown)) > 1 or bool(self._gap)

    @property
    def _is_refrain(self) -> bool:
        """Whether what was shown is a few words over and over, so that more of them may well follow."""
        return is_refrain(self._flat)

    def _may_be_quoted(self, start: str) -> bool:
        """Whether the whole text, which this begins with, begins with the very words that were to be quoted."""
        anchor = anchor_of(self._shown)
        return self._instructed and anchor != self._shown and start.startswith(anchor)

    def _after_all(self, start: str) -> str:
        """What follows the whole text."""
        rest = start[ends(start)[len(self._flat) - 1] :]
        self._refuse_signs(rest)
        return rest

    def _after_the_last_words(self, start: str, end: int) -> str:
        """What follows the last words, which a prefill has no reason to repeat."""
        rest = start[end:]
        if self._agrees(start) or self._overlap(start[: end - 1]):
            raise SeamRefusedError("the continuation may be the last words again, or more of the same")
        self._refuse_signs(rest)
        return self._with_gap(rest)

    def _refuse_signs(self, rest: str) -> None:
        """Whoever repeats what was shown, and sets a sign after it that had not come, may say it once more."""
        if rest and rest[0] in _SIGNS and not self._agrees(rest):
            raise SeamRefusedError("the continuation announces itself with the last words")

    def _after_the_quote(self, start: str, end: int) -> str:
        """What follows the last words; they may have been announced, set in quotation marks, and said once more."""
        anchor = anchor_of(self._shown)
        if "```" in start[:end].removesuffix(anchor):
            raise SeamRefusedError("the continuation stands in a block of code of its own")
        if is_refrain(flat(anchor)):
            raise SeamRefusedError("the continuation may be the last words again, or more of the same")
        quoted = start[0] in _QUOTES and not self._flat.endswith(flat(start[:end]))
        rest, more_times = self._after_anchors(start[end:].lstrip(_UNQUOTES) if quoted else start[end:])
        if more_times > 1:
            raise SeamRefusedError("the continuation says the last words over and over")
        if TALK.match(rest.lstrip(_BETWEEN)) and not self._agrees(rest):
            raise SeamRefusedError("the continuation speaks of the cut")
        return self._with_gap(rest)

    def _after_anchors(self, rest: str) -> tuple[str, int]:
        """What follows the last words where they are said again, set apart by signs; and how often that is."""
        anchor, times = anchor_of(self._shown), 0
        while not self._agrees(rest):
            again = _unset(rest, anchor)
            if again == rest or not again.startswith(anchor):
                break
            rest, times = again.removeprefix(anchor), times + 1
        return rest, times

    def _agrees(self, text: str) -> bool:
        """Whether this goes on with what had come, unseen."""
        word = self._lost.strip()
        return bool(word) and text.lstrip().startswith(word)

    def _disagrees(self, text: str) -> bool:
        """Whether this says another word than the one that had come; not before that can be seen."""
        word, start = self._lost.strip(), flat(text.lstrip())
        return bool(word) and not start.startswith(word) and not word.startswith(start)

    def _begins_a_paragraph(self, text: str) -> bool:
        """Whether this says something else, after a line break that was not there."""
        blank = text[: len(text) - len(text.lstrip())]
        return "\n" in blank and "\n" not in self._gap and self._disagrees(text)

    def _anchor_end(self, start: str) -> int | None:
        """Where the repeated last words end in an instructed continuation; None if they are not there (yet)."""
        anchor = anchor_of(self._shown)
        at = start.find(anchor)
        if at >= 0 and (at <= 3 or is_telling(anchor)):
            return at + len(anchor)
        bare = start.lstrip(_QUOTES)
        overlap = self._overlap(bare)
        return len(start) - len(bare) + overlap if overlap else None

    def _overlap(self, text: str) -> int:
        """How many characters at the beginning of `text` repeat the end of what was shown, from a word's start."""
        shown, start = self._flat, flat(text)
        for size in range(min(len(shown), len(start), MAX_HELD), TELLING_CHARS - 1, -1):
            begins = size == len(shown) or is_edge(shown[-size - 1], shown[-size])
            stops = size == len(start) or not self._whole or is_edge(start[size - 1], start[size])
            if begins and stops and shown.endswith(start[:size]) and is_telling(start[:size]):
                return ends(text)[size - 1]
        return 0

    def _refuse_quotes(self, text: str) -> None:
        bare = text.lstrip(_QUOTES)
        if bare != text and not text[0].isspace() and (self._overlap(bare) or flat(bare).startswith(self._flat)):
            raise SeamRefusedError("the continuation quotes the last words")

    def _join(self, text: str, start: str) -> str:
        if self._half.calling:
            raise SeamRefusedError("a tool call was asked for, and a text came")
        if PREAMBLE.match(start) is not None:
            raise SeamRefusedError("the continuation begins with a preamble")
        if is_beginning_of(flat(start), self._flat):
            raise SeamRefusedError("the continuation begins the answer again, and says it in another way")
        if (self._gap or self._instructed) and self._disagrees(start) and start[0] not in _ATTACHED:
            raise SeamRefusedError("the continuation says another word than the one that had come")
        if start.startswith(("```", "---")) and not self._lost.lstrip().startswith(start[0]):
            raise SeamRefusedError("the continuation stands in a block of code of its own")
        self._refuse_quotes(start)
        if self._gap and start.split(None, 1)[0] == self._shown.split()[-1]:
            raise SeamRefusedError("the continuation begins with the last word again")
        if not self._whole and SENTENCE.match(start):
            raise SeamRefusedError("the continuation begins a sentence where a word was to go on")
        sentence_ended = self._shown.endswith(_SENTENCE_ENDS)
        if self._whole and not sentence_ended and (start[0].isupper() or start[0] == "#"):
            raise SeamRefusedError("the continuation begins a sentence of its own")
        seen = start[0] in _ATTACHED or (start[0].islower() and bool(self._lost.strip()))
        if self._instructed and (sentence_ended or not seen):
            raise SeamRefusedError("the instructed continuation does not repeat the last words")
        return self._with_gap(text)

    def _with_gap(self, text: str) -> str:
        if not text or text[0].isspace() or not self._whole or text[0] in _ATTACHED:
            return text
        return self._gap + text


def anchor_of(shown: str) -> str:
    """The last words of `shown` that an instructed continuation has to begin with."""
    tail = shown.rstrip()[-ANCHOR_CHARS:]
    space = tail.find(" ")
    return tail if len(tail) == len(shown.rstrip()) or space < 0 else tail[space:].lstrip()


def _may_be_cut(shown: str) -> bool:
    """Whether the last word is so long that the gate does not wait for its end."""
    tail = shown[-LONGEST_HELD_WORD:]
    return len(tail) == LONGEST_HELD_WORD and not (any(map(str.isspace, tail)) or WORD_END.search(tail))


def _says_nothing(text: str, lost: str) -> bool:
    """Whether this is empty, or only dots where dots were not to come."""
    words = text.strip()
    return not words or (words in _DOTS and words != lost.strip())


def _unset(text: str, words: str) -> str:
    """The text without the signs before `words`, if they come next."""
    return text.lstrip(_BETWEEN.replace(words[0], ""))
