"""Finds a passage that is said over and over, and holds it back before many have read it many times.

so far                                                    then
`HOLD_CHARS` at least, and the passage three times        the next characters are held back as long as they repeat it
another character comes                                   all that is held is shown: it was a table, a row, a poem
`LOOP_CHARS` at least, and the passage five times         it will not end
"""

MAX_PERIOD = 1_000
"""The longest passage that is looked for."""
HOLD_CHARS = 60
LOOP_CHARS = 3_000
"""Text of this length that is one short passage again and again is a loop."""
_HOLD_TIMES = 3
_LOOP_TIMES = 5
_WINDOW = _HOLD_TIMES * MAX_PERIOD
_LOOK_EVERY = 40
_SAMPLE = 30


class Refrain:
    """Follows one text.

    Args:
        before: What stands before it already.
        look_every: Characters from one look to the next; where nothing is held back, there is no hurry.

    Attributes:
        held: What has come and is not let through.
        endless: The text does not come to an end.
    """

    __slots__ = ("_look_every", "_new", "_period", "_pieces", "_tail", "endless", "held")

    def __init__(self, before: str = "", *, look_every: int = _LOOK_EVERY) -> None:
        self._look_every = look_every
        self._tail = ""
        self._pieces = [before]
        self._new = 0
        self._period = 0
        self.held = ""
        self.endless = False
        if before:
            self._look()

    @property
    def holds(self) -> bool:
        """Whether it repeats itself, so that more of the same would be held."""
        return self._period > 0

    def feed(self, text: str) -> str:
        """Take text; return what is let through."""
        step = self._look_every
        if len(text) <= step:
            return self._take(text)
        return "".join(self._take(text[at : at + step]) for at in range(0, len(text), step))

    def flush(self) -> str:
        """The text has ended, so it was no loop: return what is held."""
        held, self.held = self.held, ""
        self._period = 0
        return held

    def _take(self, text: str) -> str:
        self._pieces.append(text)
        self._new += len(text)
        if self._period:
            return self._follow(text)
        if self._new >= self._look_every:
            self._look()
        return text

    def _follow(self, text: str) -> str:
        """It repeated itself so far: does it still?"""
        self._join()
        if not self._repeats(len(text) + self._period):
            return self.flush() + text
        self.held += text
        self.endless = len(self.held) >= max(LOOP_CHARS - HOLD_CHARS, (_LOOP_TIMES - _HOLD_TIMES) * self._period)
        return ""

    def _join(self) -> None:
        self._tail = (self._tail + "".join(self._pieces))[-_WINDOW:]
        self._pieces.clear()
        self._new = 0

    def _look(self) -> None:
        """Now and then: does the tail repeat itself?"""
        self._join()
        before = self._tail.rfind(self._tail[-_SAMPLE:], 0, -1)
        period = len(self._tail) - _SAMPLE - before
        if before >= 0 and period <= MAX_PERIOD and self._repeats(max(HOLD_CHARS, _HOLD_TIMES * period), period):
            self._period = period

    def _repeats(self, size: int, period: int = 0) -> bool:
        """Whether the last `size` characters are one passage of this length, over and over."""
        period = period or self._period
        end = self._tail[-size:]
        return len(end) == size and end[period:] == end[:-period]
