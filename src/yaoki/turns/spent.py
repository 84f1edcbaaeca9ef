"""What a turn has spent before this claim, read from its log: one budget, however often the process crashed.

time       while a process ran the turn: from the start of a claim to the last event it wrote; not while no process ran
           it, and not while it waited in line
attempts   requests that failed; one that was lost in a crash counts if it had brought no word
tokens     as the chain had counted them at its last step; the request in progress at the crash is estimated
money      the same
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from yaoki.llm.seams.continuing import CHARS_PER_TOKEN
from yaoki.store.events import Continued, FailedOver, Reset, Stepped, Stored, TextDelta, TurnResumed, TurnStarted

Cost = Callable[[str, int, int], float | None]
"""US dollars for a model's tokens of prompt and answer; None where nobody knows."""

_LONGEST_SILENCE_S = 60.0
"""A longer silence means that the machine slept or the clock leapt; no more than this counts as spent."""
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What is gone of a turn's budget.

    Attributes:
        counts: By name, as `TurnBudget.spending` gives them.
        ran_s: Seconds that the turn was run.
    """

    counts: dict[str, int]
    ran_s: float


def spent_before(so_far: Sequence[Stored], prompt_tokens: int, cost: Cost) -> Spent:
    """What earlier claims have spent.

    Args:
        so_far: The turn's events; a claim that has only just begun has spent nothing.
        prompt_tokens: About how many the turn's requests have.
    """
    tally = _Tally(prompt_tokens, cost)
    for stored in so_far:
        tally.take(stored)
    return Spent(counts=tally.counts, ran_s=tally.ran_s)


class _Tally:
    """A fold over a turn's events; `counts` holds what the claims before the last one spent, and what that one told."""

    def __init__(self, prompt_tokens: int, cost: Cost) -> None:
        self.counts: dict[str, int] = {}
        self.ran_s = 0.0
        self._prompt_tokens = prompt_tokens
        self._cost = cost
        self._last: datetime | None = None
        self._told = False  # the request under way is in the counts
        self._chars = 0
        self._model = ""

    def take(self, stored: Stored) -> None:
        """The next event."""
        match stored.event:
            case TurnStarted():
                self._last = None
            case TurnResumed():
                self._close()
                self._last = None
            case TextDelta() as event:
                self._chars += len(event.text)
                self._model = event.model
            case FailedOver() | Continued() | Reset() | Stepped() as event if event.spent:
                self.counts, self._chars = dict(event.spent), 0
                self._told = not isinstance(event, Stepped)
            case _:
                pass
        if self._last is not None:
            silence_s = (stored.at - self._last).total_seconds()
            self.ran_s += min(max(0.0, silence_s), _LONGEST_SILENCE_S)
        self._last = stored.at

    def _close(self) -> None:
        """The claim's process had gone, and its request with it."""
        if not self._told:
            self._add("requests", 1)
            self._add("attempts", 1)
        if self._chars:
            answered = -(-self._chars // CHARS_PER_TOKEN)
            self._add("attempts", -1)
            self._add("input_tokens", self._prompt_tokens)
            self._add("output_tokens", answered)
            self._add("estimated_tokens", self._prompt_tokens + answered)
            cost = self._cost(self._model, self._prompt_tokens, answered)
            self._add(
                "unpriced_requests" if cost is None else "cost_microusd", 1 if cost is None else round(cost * _MICRO)
            )
        self._told, self._chars = False, 0

    def _add(self, name: str, count: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + count
