"""How much one caller may use: requests a minute, tokens and money a day.

What an answer costs is known when it is over, so the most that it may cost is held while it is under way. A request is
let in while anything is left besides what is held: however many come at once, a day's limit is exceeded by no more than
the last answer that was let in. What an answer did not use is given back.

Days are those of UTC. A clock that leaps to another day begins that day's count anew.
"""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NoReturn

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What one answer may cost at most, and what was left for it when it began; None: no limit."""

    tokens: int
    usd: float
    tokens_left: int | None
    usd_left: float | None


class _Day:
    """A limit of one day, and how much of it is held by answers under way."""

    __slots__ = ("held", "limit", "what")

    def __init__(self, what: str, limit: float | None) -> None:
        self.what = what
        self.limit = limit
        self.held = 0.0

    def left(self, spent: float) -> float | None:
        """What is neither spent nor held; None: no limit."""
        return None if self.limit is None else self.limit - spent - self.held


class Meter:
    """Counts one caller's answers, those under way included. Safe within one event loop.

    Args:
        today: What the caller has spent today already.

    Attributes:
        limits: What it may use.
        day: Of UTC.
        today: What was spent in it.
    """

    __slots__ = ("_clock", "_starts", "_tokens", "_usd", "day", "limits", "today")

    def __init__(self, limits: Limits, clock: Clock, today: Spending | None = None) -> None:
        self.limits = limits
        self.day = clock.utcnow().date()
        self.today = today or Spending()
        self._clock = clock
        self._tokens = _Day("tokens", limits.tokens_per_day)
        self._usd = _Day("money", limits.usd_per_day)
        self._starts: deque[float] = deque()

    def hold(self, tokens: int, usd: float) -> Hold:
        """Let an answer begin that costs so much at most; `settle` must follow, whatever becomes of it.

        Raises:
            ResourceRateLimitedError: It may not begin now; nothing is held. The fact `code` is OpenAI's word for why.
        """
        self._turn_the_day()
        tokens_left = self._some_left(self._tokens, self.today.tokens)
        usd_left = self._some_left(self._usd, self.today.cost_usd)
        self._count_start()
        self._tokens.held += tokens
        self._usd.held += usd
        return Hold(
            tokens=tokens,
            usd=usd,
            tokens_left=None if tokens_left is None else int(tokens_left),
            usd_left=usd_left,
        )

    def settle(self, hold: Hold, budget: TurnBudget) -> Spending:
        """The answer is over: give back what was held, count what its budget says, and return that."""
        self._turn_the_day()
        self._tokens.held -= hold.tokens
        self._usd.held -= hold.usd
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

    def _some_left(self, day: _Day, spent: float) -> float | None:
        left = day.left(spent)
        if left is not None and left <= 0:
            self._refuse(day, spent)
        return left

    def _refuse(self, day: _Day, spent: float) -> NoReturn:
        if day.limit is None or spent < day.limit:
            raise ResourceRateLimitedError(
                f"Answers under way may use all the {day.what} that this key has left today.",
                retry_after_s=_HELD_RETRY_S,
                code="rate_limit_exceeded",
            )
        midnight = datetime.combine(self.day + timedelta(days=1), time(), UTC)
        raise ResourceRateLimitedError(
            f"This key has no {day.what} left for today (UTC).",
            retry_after_s=max(1.0, round((midnight - self._clock.utcnow()).total_seconds())),
            code="insufficient_quota",
        )

    def _turn_the_day(self) -> None:
        today = self._clock.utcnow().date()
        if today != self.day:
            self.day, self.today = today, Spending()
