"""Whether a candidate is as quick as it usually is. Pure: it is told what was measured, and reads one clock.

    usual         the median of the last `KEPT` measurements, once there are `ENOUGH`
    tail          later than 95 in 100 of them, once there are `ENOUGH_FOR_A_TAIL`
    late          a first token after `FACTOR` times the usual time, and at least `MARGIN_S` more; or none at all
    slow          text at less than one in `FACTOR` of the usual pace
    moved back    `SUSPICIOUS` of the last `LOOKED_AT` answers were late or slow: others of the chain are asked first
    for           `BACK_S` seconds; twice as long at a relapse soon after it was home again, up to `LONGEST` times that

Moving slow candidates back for half a minute to two took a quarter of the bad turns away in every simulated incident.
"""

from collections import deque
from statistics import median

from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

KEPT = 60
ENOUGH = 8
ENOUGH_FOR_A_TAIL = 20
TAIL = 0.95
FACTOR = 3.0
MARGIN_S = 0.5
SUSPICIOUS = 2
LOOKED_AT = 5
BACK_S = 30.0
LONGEST = 4
SHORTEST_S = 1.0
"""An answer that was written in less time than this says nothing about pace."""


class Health:
    """One candidate's own measure of itself.

    Args:
        back_s: Seconds that it is moved back for at first; 0.0: never.

    Attributes:
        back_until: When others of the chain are no longer asked first, in monotonic seconds.
    """

    __slots__ = ("_back_s", "_clock", "_first_back_s", "_first_tokens", "_paces", "_verdicts", "back_until")

    def __init__(self, back_s: float = BACK_S, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._first_back_s = back_s
        self._first_tokens: deque[float] = deque(maxlen=KEPT)
        self._paces: deque[float] = deque(maxlen=KEPT)
        self._verdicts: deque[bool] = deque(maxlen=LOOKED_AT)
        self.back_until = float("-inf")
        self._back_s = 0.0

    def __repr__(self) -> str:
        first, pace = self.usual_first_token_s, self.usual_chars_per_s
        return f"<Health first_token={first and round(first, 2)} s pace={pace and round(pace)} back={self.back_s:g} s>"

    @property
    def back_s(self) -> float:
        """Seconds for which others of the chain are asked first; 0.0 if it is as quick as usual."""
        return max(0.0, self.back_until - self._clock.monotonic())

    @property
    def usual_first_token_s(self) -> float | None:
        """Seconds to its first sign of life, as a rule; None while that is not known."""
        return _usual(self._first_tokens)

    @property
    def tail_first_token_s(self) -> float | None:
        """Seconds that only 5 in 100 of its first tokens take longer than; None while that is not known."""
        measures = sorted(self._first_tokens)
        return measures[int(len(measures) * TAIL)] if len(measures) >= ENOUGH_FOR_A_TAIL else None

    @property
    def usual_chars_per_s(self) -> float | None:
        """Characters a second once it writes, as a rule; None while that is not known."""
        return _usual(self._paces)

    def answered(self, first_token_s: float, chars: int, wrote_s: float) -> bool:
        """Take the measures of an answer, whole or not.

        Args:
            first_token_s: Seconds to the first sign of life.
            chars: Characters received.
            wrote_s: Seconds from the first sign of life to the last.

        Returns:
            Whether it is moved back for that.
        """
        usual_s = self.usual_first_token_s if first_token_s > MARGIN_S else None  # sooner is never late
        bad = usual_s is not None and first_token_s > max(FACTOR * usual_s, usual_s + MARGIN_S)
        self._first_tokens.append(first_token_s)
        if wrote_s >= SHORTEST_S:
            pace, usual_pace = chars / wrote_s, self.usual_chars_per_s
            bad = bad or (usual_pace is not None and pace * FACTOR < usual_pace)
            self._paces.append(pace)
        return self._judge(bad=bad)

    def silent(self) -> bool:
        """No sign of life came in time. Returns whether it is moved back for that."""
        return self._judge(bad=True)

    def _judge(self, *, bad: bool) -> bool:
        self._verdicts.append(bad)
        if sum(self._verdicts) < SUSPICIOUS or (now := self._clock.monotonic()) < self.back_until:
            return False
        longest_s = LONGEST * self._first_back_s
        relapsed = now - self.back_until < longest_s
        self._back_s = min(longest_s, self._back_s * 2) if relapsed else self._first_back_s
        self.back_until = now + self._back_s
        self._verdicts.clear()
        return self._back_s > 0


def _usual(measures: deque[float]) -> float | None:
    return median(measures) if len(measures) >= ENOUGH else None
