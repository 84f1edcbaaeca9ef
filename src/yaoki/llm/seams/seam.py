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
either, all of it again or more of the same, is refused. So are the last words, where the same words stand before them.

A prefill that somebody has set by hand, and no probe has proven, is judged as an instruction: where the white space is
missing, nothing but a small letter or a mark is believed.
"""

from yaoki.llm.deltas import HalfAnswer
from yaoki.llm.seams.characters import UNSEEN
from yaoki.llm.seams.seam_words import (
    PREAMBLE,
    SENTENCE,
    TALK,
    TELLING_CHARS,
    WHOLE_CHARS,
    ends,
    flat,
    is_beginning_of,
    is_refrain,
    is_telling,
)
from yaoki.llm.seams.shown import LONGEST_REPETITION, Shown

MAX_HELD = LONGEST_REPETITION
"""Characters of a continuation that are held back at most while it is in doubt; more only of the whole answer again."""
_SENTENCE_ENDS = tuple(".!?:;。！？：；…)]}\"'”’»」』`*|\n")
_ATTACHED = tuple(".,;:!?)]}%…’”»、。，！？；：）」』")
_QUOTES = "\"'`«“„…. \t\r\n>*"
_UNQUOTES = "\"'`”»…"
"""Signs that a model may put before and after the last words that it repeats."""
_SIGNS = ":\n"
_DOTS = "…."
_ELLIPSES = ("…", "...")
_BETWEEN = f"{_QUOTES}{_UNQUOTES},:-—"
"""Signs that it may put between them when it repeats them twice."""
_LONGEST_PREAMBLE = 24
_LONG = 36
"""Nobody says so much of a text twice in a row, but for a refrain."""
_LEAST_QUOTE = 12
"""So many characters are no chance, where they come after something else."""
_LONGEST_TALK = 32


class SeamRefusedError(Exception):
    """What came is not a continuation of what was shown."""


class Seam:
    """Judges the beginning of a continuation.

    Args:
        shown: What the person has seen; not empty.
        half: How the continuation was asked for.
        gap: See `Shown`; whole and more, too.

    Attributes:
        decided: Everything fed from now on is let through.
    """

    __slots__ = ("_buffer", "_half", "_shown", "decided")

    def __init__(
        self, shown: str, half: HalfAnswer, *, gap: str | None = None, whole: bool = True, more: str = ""
    ) -> None:
        self._shown = Shown(shown, gap=gap, whole=whole, more=more)
        self._half = half
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
        if self._shown.words and not called and not any(map(str.isalnum, self._buffer)):
            raise SeamRefusedError("the continuation has no word where there were more to come")
        text = self._once(self._decide()) if self._buffer.strip() else "" if self._instructed else self._buffer
        self.decided = True
        began_a_line = "\n" in self._shown.gap  # which is done to write on it
        went_on = self._shown.lost.strip() or (self._instructed and began_a_line)
        more = self._half.calling or went_on or not self._shown.text.endswith(_SENTENCE_ENDS)
        if more and not called and _says_nothing(text, self._shown.lost):
            raise SeamRefusedError("the continuation is empty where there was more to say")
        return text

    def _once(self, text: str) -> str:
        """White space that was shown already is not shown again."""
        return text.lstrip() if self._shown.blank else text

    @property
    def _instructed(self) -> bool:
        return self._half.mode == "instruction"

    @property
    def _strict(self) -> bool:
        """Whether the backend may not have understood that it is to go on."""
        return self._instructed or not self._half.proven

    def _goes_on(self, text: str) -> bool:
        """Whether a blank, or a mark that closes, stands where a continuation has it, and a turn of its own has not."""
        if self._instructed or not text:
            return False
        return text[0] in _ATTACHED or (text[0].isspace() and (not self._shown.whole or bool(self._shown.gap)))

    def _in_doubt(self, text: str) -> bool:
        """Whether more of the text could turn it into a repetition or a preamble."""
        start = text.lstrip()
        if not start.strip(_DOTS + UNSEEN) or (self._shown.words and not any(map(str.isalnum, start))):
            return True
        if self._shown.is_begun_by(text) and (not self._goes_on(text) or self._may_be_again(text)):
            return True
        if len(start) < _LONGEST_PREAMBLE and not self._is_word_by_word(text):
            return True
        if self._goes_on(text):
            bare = start.lstrip(_QUOTES)
            return not text[0].isspace() and (self._shown.may_end_with(bare) or self._shown.is_begun_by(bare))
        if self._shown.may_end_with(start.lstrip(_QUOTES) if self._strict else start):
            return True
        return self._instructed and self._quotes_in_doubt(start)

    def _quotes_in_doubt(self, start: str) -> bool:
        """Whether the last words may yet come, or come again, or be followed by talk."""
        end = self._anchor_end(start)
        if end is None:
            return PREAMBLE.match(start) is not None
        if self._shown.agrees(start[end:]):
            return False
        rest, anchor = self._after_anchors(start[end:])[0], self._shown.anchor
        return anchor.startswith(_unset(rest, anchor)) or len(rest.lstrip(_BETWEEN)) < _LONGEST_TALK

    def _may_be_held(self, text: str) -> bool:
        """Whether it is short, or has been the answer from its beginning for so long that the rest is worth a wait."""
        return len(text) < MAX_HELD or not text.strip() or (self._shown.is_begun_by(text) and is_telling(text))

    def _is_word_by_word(self, text: str) -> bool:
        """Whether a short text is innocent already: a small letter or punctuation after the right blank."""
        start = text.lstrip()
        return self._goes_on(text) and not start[0].isupper() and PREAMBLE.match(start) is None

    def _decide(self) -> str:
        self.decided = True
        text, self._buffer = self._buffer, ""
        start = text.lstrip()
        if self._is_all_again(text, start):
            if not self._is_surely_again(text) or self._may_be_part(start) or self._shown.is_refrain:
                raise SeamRefusedError("the continuation may be the whole text again, or more of the same")
            return self._after_all(start)
        if self._goes_on(text):
            if PREAMBLE.match(start) is not None or self._begins_a_paragraph(text):
                raise SeamRefusedError("the continuation begins with a preamble")
            again = self._shown.text.endswith(text[0]) or self._shown.any_overlap(text)
            if not text[0].isspace() and again and not self._shown.agrees(text):
                raise SeamRefusedError("the continuation begins with the last mark or the last words again")
            self._refuse_quotes(text)
            return text
        end = self._anchor_end(start) if self._instructed else self._shown.overlap(start)
        if end and self._instructed:
            return self._after_the_quote(start, end)
        if end:
            return self._after_the_last_words(start, end)
        return self._join(text, start)

    def _is_all_again(self, text: str, start: str) -> bool:
        if not flat(start).startswith(self._shown.flat):
            return False
        if self._goes_on(text):
            return self._may_be_again(text)
        told = self._shown.is_various or len(self._shown.text) >= TELLING_CHARS
        return told or not self._half.proven or not self._shown.agrees(text)

    def _may_be_again(self, text: str) -> bool:
        """Whether this, which goes on with the very words shown, is more than words that are said twice."""
        unwitnessed = not self._shown.lost.strip() and not any(map(str.isspace, self._shown.text))
        long = is_telling(self._shown.flat) or len(self._shown.flat) >= WHOLE_CHARS
        return long or unwitnessed or not self._half.proven or self._shown.disagrees(text)

    def _is_surely_again(self, text: str) -> bool:
        """Whether this, which begins as all that was shown did, cannot be the same words once more."""
        if self._goes_on(text):
            return self._shown.disagrees(text) or (len(self._shown.text) >= _LONG and not self._shown.lost.strip())
        more = self._shown.agrees(text) and (self._shown.words or not self._instructed)  # each row of a table has a "|"
        doubtful = more or not self._shown.is_various or len(self._shown.text) < TELLING_CHARS
        return self._shown.disagrees(text) or not doubtful

    def _may_be_part(self, start: str) -> bool:
        """Whether the whole text, which this begins with, begins as it ends, so that only its end may be meant."""
        anchor = self._shown.anchor
        quoted = self._instructed and anchor != self._shown.text and start.startswith(anchor)
        return quoted or bool(self._shown.overlap(self._shown.flat[:-1]))

    def _after_all(self, start: str) -> str:
        """What follows the whole text."""
        rest = start[ends(start)[len(self._shown.flat) - 1] :]
        self._refuse_signs(rest)
        return rest

    def _after_the_last_words(self, start: str, end: int) -> str:
        """What follows the last words, which a prefill has no reason to repeat."""
        rest, said = start[end:], start[:end]
        doubled = self._shown.is_doubled(len(flat(said))) or self._shown.any_overlap(said[:-1])
        if doubled or self._shown.agrees(start):
            raise SeamRefusedError("the continuation may be the last words again, or more of the same")
        self._refuse_signs(rest)
        return self._with_gap(rest)

    def _refuse_signs(self, rest: str) -> None:
        """Whoever repeats what was shown, and sets a sign after it that had not come, may say it once more."""
        if rest and rest[0] in _SIGNS and not (self._is_next_line(rest) or self._shown.agrees(rest)):
            raise SeamRefusedError("the continuation announces itself with the last words")

    def _is_next_line(self, rest: str) -> bool:
        """Whether an instructed model goes on in the line that was to come, and does not say it all once more."""
        word, gap = rest.lstrip()[:1], self._shown.gap
        again = word in ("", self._shown.text[0], self._shown.anchor[0])
        return self._instructed and "\n" in gap and rest.startswith(gap) and not again

    def _after_the_quote(self, start: str, end: int) -> str:
        """What follows the last words; they may have been announced, set in quotation marks, and said once more."""
        anchor, said = self._shown.anchor, start[:end]
        if "```" in said.removesuffix(anchor):
            raise SeamRefusedError("the continuation stands in a block of code of its own")
        if self._may_be_more(anchor, said):
            raise SeamRefusedError("the continuation may be the last words again, or more of the same")
        quoted = start[0] in _QUOTES and not self._shown.flat.endswith(flat(start[:end]))
        rest, more_times = self._after_anchors(start[end:].lstrip(_UNQUOTES) if quoted else start[end:])
        if more_times > 1:
            raise SeamRefusedError("the continuation says the last words over and over")
        if TALK.match(rest.lstrip(_BETWEEN)) and not self._shown.agrees(rest):
            raise SeamRefusedError("the continuation speaks of the cut")
        return self._with_gap(rest)

    def _may_be_more(self, anchor: str, said: str) -> bool:
        """Whether the last words, which this ends with, may well follow themselves."""
        bare = said if self._shown.flat.endswith(flat(said)) else said.lstrip(_QUOTES)
        last = flat(bare if self._shown.flat.endswith(flat(bare)) else anchor)
        if self._shown.is_doubled(len(last)) or is_refrain(flat(anchor)):
            return True
        if last == flat(anchor):
            return (self._shown.agrees(said) and not is_telling(anchor)) or bool(self._shown.overlap(bare[:-1]))
        return self._shown.agrees(bare) or bool(self._shown.any_overlap(bare[:-1]))

    def _after_anchors(self, rest: str) -> tuple[str, int]:
        """What follows the last words where they are said again, set apart by signs; and how often that is."""
        anchor, times = self._shown.anchor, 0
        while not self._shown.agrees(rest):
            again = _unset(rest, anchor)
            if again == rest or not again.startswith(anchor):
                break
            rest, times = again.removeprefix(anchor), times + 1
        return rest, times

    def _begins_a_paragraph(self, text: str) -> bool:
        """Whether this says something else, after a line break that was not there."""
        blank = text[: len(text) - len(text.lstrip())]
        return "\n" in blank and "\n" not in self._shown.gap and self._shown.disagrees(text)

    def _anchor_end(self, start: str) -> int | None:
        """Where the repeated last words end in an instructed continuation; None if they are not there (yet)."""
        anchor = self._shown.anchor
        before, found, _ = start.partition(anchor)
        if found and (not before.strip(_QUOTES) or (len(anchor) >= _LEAST_QUOTE and self._is_talk(before))):
            return len(before) + len(anchor)
        bare = start.lstrip(_QUOTES)
        overlap = self._shown.overlap(bare)
        return len(start) - len(bare) + overlap if overlap else None

    def _is_talk(self, before: str) -> bool:
        """Whether this, which came before the last words, may announce them; not if it could be of the answer."""
        end = before.rstrip(_QUOTES)[-1:]
        said = self._shown.agrees(before) or self._shown.any_overlap(before)
        return not (said or end.isalnum() or end == ",")

    def _refuse_quotes(self, text: str) -> None:
        bare = text.lstrip(_QUOTES)
        overlap = self._shown.overlap(bare, least=1 if self._strict else TELLING_CHARS)
        if bare != text and not text[0].isspace() and (overlap or flat(bare).startswith(self._shown.flat)):
            raise SeamRefusedError("the continuation quotes the last words")

    def _join(self, text: str, start: str) -> str:
        if self._half.calling:
            raise SeamRefusedError("a tool call was asked for, and a text came")
        if PREAMBLE.match(start) is not None or (self._strict and TALK.match(start) is not None):
            raise SeamRefusedError("the continuation begins with a preamble")
        if is_beginning_of(flat(start), self._shown.flat):
            raise SeamRefusedError("the continuation begins the answer again, and says it in another way")
        if (self._shown.gap or self._strict) and self._shown.disagrees(start) and start[0] not in _ATTACHED:
            raise SeamRefusedError("the continuation says another word than the one that had come")
        if start.startswith(("```", "---")) and not self._shown.lost.lstrip().startswith(start[0]):
            raise SeamRefusedError("the continuation stands in a block of code of its own")
        self._refuse_quotes(start)
        if (self._shown.gap or self._shown.disagrees(start)) and self._shown.any_overlap(start):
            raise SeamRefusedError("the continuation begins with the last word again")
        if not self._shown.whole and SENTENCE.match(start):
            raise SeamRefusedError("the continuation begins a sentence where a word was to go on")
        sentence_ended = self._shown.text.endswith(_SENTENCE_ENDS)
        if self._shown.whole and not sentence_ended and (start[0].isupper() or start[0] == "#"):
            raise SeamRefusedError("the continuation begins a sentence of its own")
        seen = start[0] in _ATTACHED or (start[0].islower() and bool(self._shown.lost.strip()))
        blank_is_missing = self._strict and (self._instructed or self._shown.gap)
        if blank_is_missing and (sentence_ended or not seen):
            raise SeamRefusedError("the continuation neither repeats the last words nor goes on after them")
        return self._with_gap(text)

    def _with_gap(self, text: str) -> str:
        if not text or text[0].isspace() or not self._shown.whole or text[0] in _ATTACHED:
            return text
        return self._shown.gap + text


def _says_nothing(text: str, lost: str) -> bool:
    """Whether this is empty, or only dots where dots were not to come."""
    words = text.strip(UNSEEN)
    return not words or (words in _ELLIPSES and lost.strip() not in _ELLIPSES)


def _unset(text: str, words: str) -> str:
    """The text without the signs before `words`, if they come next."""
    return text.lstrip(_BETWEEN.replace(words[0], ""))
