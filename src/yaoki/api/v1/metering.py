"""How much one caller may use: requests a minute, tokens and money a day.

What an answer costs is known when it is over. So each request to a model holds the most that it may cost before it
begins, and begins only while anything is left besides what is held: however many come at once, and however many of them
fail over, a day's limit is passed by no more than the last of those requests, or two that race (hedging). What was not
used is given back.

Days are those of UTC. Whoever keeps a meter tells it now and then to look at the calendar, so that no answer has to;
when it is about to refuse, it looks by itself. A clock that leaps to another day begins that day's count anew.
"""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from yaoki.errors import ResourceRateLimitedError
from yaoki.llm.chain.budget import TurnBudget
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
        self.day: date = clock.utcnow().date()
        self.today = today or Spending()
        self._clock = clock
        self._held_tokens = 0
        self._held_usd = 0.0
        self._starts: deque[float] = deque()

    def begin(self, tokens: int, usd: float) -> "Answering":
        """Let an answer begin, whose requests cost so much each at most; `end` must follow, whatever becomes of it.

        Raises:
            ResourceRateLimitedError: It may not begin now; nothing is held. The fact `code` is OpenAI's word for why.
        """
        if self.lacking():
            self.look_at_the_calendar()
            if lacking := self.lacking():
                raise self._refusal(lacking)
        self._count_start()
        self.hold(tokens, usd)
        return Answering(self, tokens, usd)

    def end(self, answering: "Answering", budget: TurnBudget) -> Spending:
        """An answer is over: give back what it held, count what its budget says, and return that."""
        self.hold(-answering.tokens, -answering.usd)
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

    def hold(self, tokens: int, usd: float) -> None:
        """Hold so much more, or less."""
        self._held_tokens += tokens
        self._held_usd += usd

    def lacking(self, tokens: int = 0, usd: float = 0.0) -> str:
        """What there is nothing left of today; empty while there is some of each.

        Args:
            tokens: How many of those that are held do not count.
            usd: The same.
        """
        most_tokens, most_usd = self.limits.tokens_per_day, self.limits.usd_per_day
        if most_tokens is not None and self.today.tokens + self._held_tokens - tokens >= most_tokens:
            return "tokens"
        return "money" if most_usd is not None and self.today.cost_usd + self._held_usd - usd >= most_usd else ""

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

    def _refusal(self, lacking: str) -> ResourceRateLimitedError:
        spent = self.lacking(self._held_tokens, self._held_usd)
        if not spent:
            return ResourceRateLimitedError(
                f"Answers under way may use all the {lacking} that this key has left today.",
                retry_after_s=_HELD_RETRY_S,
                code="rate_limit_exceeded",
            )
        midnight = datetime.combine(self.day + timedelta(days=1), time(), UTC)
        return ResourceRateLimitedError(
            f"This key has no {spent} left for today (UTC).",
            retry_after_s=max(1.0, round((midnight - self._clock.utcnow()).total_seconds())),
            code="insufficient_quota",
        )


class Answering:
    """What one answer holds: the most that each of its requests so far may cost. A budget's purse.

    Attributes:
        tokens: Held.
        usd: Held.
    """

    __slots__ = ("_meter", "_most_tokens", "_most_usd", "tokens", "usd")

    def __init__(self, meter: Meter, tokens: int, usd: float) -> None:
        self._meter = meter
        self._most_tokens = self.tokens = tokens
        self._most_usd = self.usd = usd

    def lacking(self, budget: TurnBudget) -> str:
        """What its caller has nothing left of for a further request; the first one was let in with the answer.

        Of its own it counts what is spent, so that a failover is not refused for what a cut attempt might have cost.
        """
        if not budget.requests:
            return ""
        used = budget.input_tokens + budget.output_tokens
        return self._meter.lacking(self.tokens - used, self.usd - budget.cost_usd)

    def hold(self, budget: TurnBudget) -> None:
        """Another request begins; it may run beside the one before."""
        if budget.requests:
            self._meter.hold(self._most_tokens, self._most_usd)
            self.tokens += self._most_tokens
            self.usd += self._most_usd
