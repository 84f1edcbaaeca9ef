"""How much one caller may use: requests a minute, tokens and money a day.

What an answer costs is known when it is over, so the most that it may cost is held while it is under way. A request is
let in while anything is left besides what is held: however many come at once, a day's limit is exceeded by no more than
the last answer that was let in. What an answer did not use is given back.

Days are those of UTC. Whoever keeps a meter tells it now and then to look at the calendar, so that no answer has to;
when it is about to refuse, it looks by itself. A clock that leaps to another day begins that day's count anew.
"""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from yaoki.errors import ResourceRateLimitedError
from yaoki.llm.budget import TurnBudget
from yaoki.resilience.clock import Clock
from yaoki.store.contract import Spending

_MINUTE_S = 60.0
_HELD_RETRY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a caller may use, see `ApiKey` for each; None: as much as it likes."""

    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    usd_per_day: float | None = None


class Hold(NamedTuple):
    """What one answer may cost at most, and what was left for it when it began; None: no limit."""

    tokens: int
    usd: float
    tokens_left: int | None
    usd_left: float | None


class Meter:
    """Counts one caller's answers, those under way included. Safe within one event loop.

    Args:
        today: What the caller has spent today already.

    Attributes:
        limits: What it may use.
        day: Of UTC.
        today: What was spent in it.
    """

    __slots__ = ("_clock", "_held_tokens", "_held_usd", "_starts", "day", "limits", "today")

    def __init__(self, limits: Limits, clock: Clock, today: Spending | None = None) -> None:
        self.limits = limits
        self.day = clock.utcnow().date()
        self.today = today or Spending()
        self._clock = clock
        self._held_tokens = 0
        self._held_usd = 0.0
        self._starts: deque[float] = deque()

    def hold(self, tokens: int, usd: float) -> Hold:
        """Let an answer begin that costs so much at most; `settle` must follow, whatever becomes of it.

        Raises:
            ResourceRateLimitedError: It may not begin now; nothing is held. The fact `code` is OpenAI's word for why.
        """
        if self._over(self._held_tokens, self._held_usd):
            self.look_at_the_calendar()
            if over := self._over(self._held_tokens, self._held_usd):
                raise self._refusal(over)
        self._count_start()
        limits, today = self.limits, self.today
        hold = Hold(
            tokens,
            usd,
            None if limits.tokens_per_day is None else limits.tokens_per_day - today.tokens - self._held_tokens,
            None if limits.usd_per_day is None else limits.usd_per_day - today.cost_usd - self._held_usd,
        )
        self._held_tokens += tokens
        self._held_usd += usd
        return hold

    def settle(self, hold: Hold, budget: TurnBudget) -> Spending:
        """The answer is over: give back what was held, count what its budget says, and return that."""
        self._held_tokens -= hold.tokens
        self._held_usd -= hold.usd
        spent = Spending(
            requests=1,
            input_tokens=budget.input_tokens,
            output_tokens=budget.output_tokens,
            estimated_tokens=budget.estimated_tokens,
            cost_usd=budget.cost_usd,
            unpriced=budget.unpriced,
        )
        self.today.add(spent)
        return spent

    def look_at_the_calendar(self) -> None:
        """Begin to count anew if it is another day."""
        today = self._clock.utcnow().date()
        if today != self.day:
            self.day, self.today = today, Spending()

    def _over(self, held_tokens: int, held_usd: float) -> str:
        """What there is nothing left of today, besides what is held; empty while there is some of each."""
        tokens, usd = self.limits.tokens_per_day, self.limits.usd_per_day
        if tokens is not None and self.today.tokens + held_tokens >= tokens:
            return "tokens"
        return "money" if usd is not None and self.today.cost_usd + held_usd >= usd else ""

    def _count_start(self) -> None:
        limit = self.limits.requests_per_minute
        if limit is None:
            return
        now, starts = self._clock.monotonic(), self._starts
        while starts and now - starts[0] >= _MINUTE_S:
            starts.popleft()
        if len(starts) >= limit:
            raise ResourceRateLimitedError(
                f"This key may make {limit} requests a minute.",
                retry_after_s=round(starts[0] + _MINUTE_S - now, 1),
                code="rate_limit_exceeded",
            )
        starts.append(now)

    def _refusal(self, over: str) -> ResourceRateLimitedError:
        spent = self._over(0, 0.0)
        if not spent:
            return ResourceRateLimitedError(
                f"Answers under way may use all the {over} that this key has left today.",
                retry_after_s=_HELD_RETRY_S,
                code="rate_limit_exceeded",
            )
        midnight = datetime.combine(self.day + timedelta(days=1), time(), UTC)
        return ResourceRateLimitedError(
            f"This key has no {spent} left for today (UTC).",
            retry_after_s=max(1.0, round((midnight - self._clock.utcnow()).total_seconds())),
            code="insufficient_quota",
        )
