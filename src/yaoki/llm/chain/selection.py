"""Which candidate is tried next. Pure: no clock, no waiting.

    standing   means                                   may be tried
    FRESH      not tried for this answer               now
    FAILED     failed, and the same call may succeed   after a pause
    TOO_SMALL  its window does not hold the request    after the request has been shortened
    REFUSED    could not continue what was shown       after a restart
    OUT        failed, and will fail again             never

    rule       candidates                              the first by         pause
    1 fresh    FRESH and healthy                       tries, not slow for  none
                                                       itself, preference
    2 rested   FRESH, and healthy but for a rest that  the shortest rest    the rest
               is at most `SOON_S`, or ends before a
               retry could begin
    3 retry    FAILED, twice in a row without a word   pause, then tries    what it asked for, or a jittered backoff
    4 panic    FRESH and bearable                      tries, preference    none

Whoever has just failed is likely to fail again, and may take its whole deadline for it; a moment's rest of somebody
who has not failed is the shorter wait, and asking before it is over brings another refusal. Failing fast when no
breaker admits anything was the worst of all policies that were simulated, hence rule 4.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from yaoki.errors import AIOrchestrationError, ModelContextOverflowError
from yaoki.llm.chain.candidates import Candidate
from yaoki.llm.failures import may_retry

SOON_S = 1.0
"""Seconds of rest that are waited for while there is somebody to be retried."""
MAX_RETRIES = 2
BACKOFF_S = 0.25
MAX_BACKOFF_S = 5.0


class Standing(Enum):
    """What the candidate has done for this answer."""

    FRESH = auto()
    FAILED = auto()
    TOO_SMALL = auto()
    REFUSED = auto()
    OUT = auto()


@dataclass(slots=True)
class _Row:
    candidate: Candidate
    standing: Standing = Standing.FRESH
    tries: int = 0
    asked_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """Try `candidate`, `pause_s` seconds from now; `anyway`: even if its breaker does not admit it then."""

    candidate: Candidate
    pause_s: float = 0.0
    anyway: bool = False


class Selection:
    """The candidates of one answer and what became of them.

    Args:
        candidates: In the order of preference.
        rng: Randomness of the backoff.
    """

    def __init__(self, candidates: Sequence[Candidate], rng: random.Random) -> None:
        self._rows = [_Row(candidate) for candidate in candidates]
        self._rng = rng
        self._retries = 0

    def next(self, remaining_s: float) -> Choice | None:
        """The next try; None if there is none. `remaining_s` is what the turn has left."""
        return self._fresh() or self._rested_or_retried(remaining_s) or self._panic()

    def failed(self, candidate: Candidate, error: AIOrchestrationError, *, progress: bool = False) -> None:
        """`candidate` was tried and failed; with `progress` it brought a part of the answer first.

        An answer that grows is worth its attempts, so only the turn's budget bounds them; retries that bring nothing
        are few.
        """
        if progress:
            self._retries = 0
        row = self._row(candidate)
        row.tries += 1
        row.asked_s = error.retry_after_s or 0.0
        row.standing = Standing.FAILED if may_retry(error) else Standing.OUT
        if isinstance(error, ModelContextOverflowError):
            self._too_small(row)

    def refused(self, candidate: Candidate) -> None:
        """`candidate` cannot continue what was shown."""
        self._row(candidate).standing = Standing.REFUSED

    @property
    def may_begin_again(self) -> bool:
        """Whether somebody could not continue what was shown, and could answer from nothing."""
        return bool(self._of(Standing.REFUSED))

    def shut_out(self, candidate: Candidate) -> None:
        """Others were faster, and nobody more may go to `candidate` now."""
        self._row(candidate).standing = Standing.OUT

    def ask_again(self) -> bool:
        """The request is shorter now, so whoever could not hold it is fresh again. Returns whether anybody is."""
        return self._refresh(Standing.TOO_SMALL)

    def start_over(self) -> bool:
        """What was shown is void, so whoever could not continue it is fresh again. Returns whether anybody is."""
        return self._refresh(Standing.REFUSED)

    def _refresh(self, standing: Standing) -> bool:
        rows = self._of(standing)
        for row in rows:
            row.standing = Standing.FRESH
        return bool(rows)

    def _too_small(self, row: _Row) -> None:
        """Whoever is known to have no larger window than this one need not be asked either."""
        row.standing = Standing.TOO_SMALL
        window = row.candidate.policy.context_tokens
        for other in self._of(Standing.FRESH):
            theirs = other.candidate.policy.context_tokens
            if window and theirs and theirs <= window:
                other.standing = Standing.TOO_SMALL

    def standby(self, candidate: Candidate) -> Candidate | None:
        """Who reads along while `candidate` answers: the next that would be tried, if its policy says so."""
        rows = [row for row in self._of(Standing.FRESH) if row.candidate is not candidate and row.candidate.healthy]
        return rows[0].candidate if rows and rows[0].candidate.policy.reads_along else None

    def hedge(self, late: Candidate) -> Candidate | None:
        """Who is asked, too, when the first token of `late` is late: the next that is healthy and not slow itself."""
        rows = [row for row in self._of(Standing.FRESH) if row.candidate is not late and row.candidate.healthy]
        return next((row.candidate for row in rows if row.candidate.health.back_s <= 0), None)

    def _fresh(self) -> Choice | None:
        rows = [row for row in self._of(Standing.FRESH) if row.candidate.healthy]
        return (
            Choice(min(rows, key=lambda row: (row.tries, row.candidate.health.back_s > 0)).candidate) if rows else None
        )

    def _rested_or_retried(self, remaining_s: float) -> Choice | None:
        """Whoever is worth a pause that fits into what the turn has left."""
        retry, rested = self._retry(remaining_s), self._rested(remaining_s)
        if rested is not None and rested.pause_s <= max(SOON_S, retry.pause_s if retry else MAX_BACKOFF_S):
            return rested
        if retry is not None:
            self._retries += 1
        return retry

    def _rested(self, remaining_s: float) -> Choice | None:
        rests = [(row.candidate.rest_s, row.candidate) for row in self._of(Standing.FRESH)]
        soon = [Choice(one, rest_s) for rest_s, one in rests if one.healthy_after_rest and rest_s < remaining_s]
        return min(soon, key=lambda choice: choice.pause_s, default=None)

    def _retry(self, remaining_s: float) -> Choice | None:
        backoff_s = self._rng.uniform(0.5, 1.0) * min(MAX_BACKOFF_S, BACKOFF_S * 2**self._retries)
        rows = [row for row in self._of(Standing.FAILED) if max(row.asked_s, backoff_s) < remaining_s]
        if not rows or self._retries >= MAX_RETRIES:
            return None
        row = min(rows, key=lambda row: (row.asked_s, row.tries))
        return Choice(row.candidate, max(row.asked_s, backoff_s), anyway=True)

    def _panic(self) -> Choice | None:
        rows = [row for row in self._of(Standing.FRESH) if row.candidate.bearable]
        return Choice(min(rows, key=lambda row: row.tries).candidate, anyway=True) if rows else None

    def _of(self, standing: Standing) -> list[_Row]:
        return [row for row in self._rows if row.standing is standing]

    def _row(self, candidate: Candidate) -> _Row:
        """Its row; one that counts for nothing for a candidate that is not of this chain."""
        return next((row for row in self._rows if row.candidate is candidate), _Row(candidate))
