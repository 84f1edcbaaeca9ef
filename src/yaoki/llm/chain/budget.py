"""What one turn may still spend. Every layer draws from the same budget; none multiplies another's retries.

    deadline   from the turn's start; no attempt begins after it
    attempts   taken when a request starts, given back when it brought a whole response: so a turn takes as many steps
               with tools as it needs, and stands `max_attempts` requests that fail
    tokens     of prompts and answers together; what a cut attempt used is estimated, and shown to be
    money      the same at list prices, where a price is known

Tokens and money end a turn between two requests, never inside an answer: each request is capped by its output limit.
"""

from collections.abc import Mapping
from typing import Protocol

from yaoki.errors import AgentTurnBudgetSpentError, ConfigurationSettingError
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

_MICRO = 1_000_000


class Purse(Protocol):
    """What several budgets draw from at the same time, as all answers of one API key do."""

    def lacking(self, budget: "TurnBudget") -> str:
        """What there is nothing left of for another request of this budget; empty while there is some of each."""
        ...

    def hold(self, budget: "TurnBudget") -> None:
        """Another request of this budget begins."""
        ...


class TurnBudget:
    """A turn's deadline, attempts, tokens and money, drawn down by whoever tries something.

    Args:
        deadline_s: Seconds from now until the turn must have ended, above 0.
        max_attempts: Requests that may fail, at least 1.
        max_tokens: Of all requests together; None: no limit.
        max_cost_usd: US dollars of all requests whose price is known; None: no limit.
        purse: What it shares with others; None: it has all for itself.

    Attributes:
        attempts_left: Requests that may still start, as things stand.
        input_tokens: Spent so far, estimates included.
        output_tokens: The same.
        estimated_tokens: How many of both are estimates of ours.
        cost_usd: Spent so far, estimates included, where a price is known.
        requests: Started so far.
        unpriced: Requests whose price nobody knows.
    """

    def __init__(
        self,
        deadline_s: float = 180.0,
        max_attempts: int = 6,
        *,
        max_tokens: int | None = None,
        max_cost_usd: float | None = None,
        purse: Purse | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if deadline_s <= 0 or max_attempts < 1:
            raise ConfigurationSettingError("A budget needs a deadline above 0 and at least one attempt.")
        self._clock = clock
        self._deadline = clock.monotonic() + deadline_s
        self._max_attempts = max_attempts
        self._max_tokens = max_tokens
        self._max_cost_usd = max_cost_usd
        self._purse = purse
        self.attempts_left = max_attempts
        self.input_tokens = 0
        self.output_tokens = 0
        self.estimated_tokens = 0
        self.cost_usd = 0.0
        self.requests = 0
        self.unpriced = 0

    @property
    def remaining_s(self) -> float:
        """Seconds left; never below 0."""
        return max(0.0, self._deadline - self._clock.monotonic())

    @property
    def spent(self) -> str:
        """What there is nothing left of: attempts, time, tokens or money; empty while there is some of each."""
        if self.attempts_left <= 0:
            return "attempts"
        if self.remaining_s <= 0:
            return "time"
        if self._max_tokens is not None and self.input_tokens + self.output_tokens >= self._max_tokens:
            return "tokens"
        if self._max_cost_usd is not None and self.cost_usd >= self._max_cost_usd:
            return "money"
        return self._purse.lacking(self) if self._purse is not None else ""

    def spend_attempt(self) -> None:
        """Take one attempt.

        Raises:
            AgentTurnBudgetSpentError: Something is used up, see `facts["spent"]`; nothing was started.
        """
        spent = self.spent
        if spent:
            raise AgentTurnBudgetSpentError(f"The turn has no {spent} left.", spent=spent)
        if self._purse is not None:
            self._purse.hold(self)
        self.attempts_left -= 1
        self.requests += 1

    def resume(self, counts: Mapping[str, int], ran_s: float) -> None:
        """Go on with what is left of the same budget after another process had it.

        Args:
            counts: What was spent, as `spending` gives it.
            ran_s: Seconds that were used, at least 0.
        """
        self._deadline -= ran_s
        self.attempts_left = self._max_attempts - counts.get("attempts", 0)
        self.input_tokens = counts.get("input_tokens", 0)
        self.output_tokens = counts.get("output_tokens", 0)
        self.estimated_tokens = counts.get("estimated_tokens", 0)
        self.cost_usd = counts.get("cost_microusd", 0) / _MICRO
        self.requests = counts.get("requests", 0)
        self.unpriced = counts.get("unpriced_requests", 0)

    def pause(self, seconds: float) -> None:
        """Nothing could be done for so long that was not the turn's fault: the deadline moves on."""
        self._deadline += seconds

    def give_back(self) -> None:
        """The attempt brought a whole response: the next step may have it."""
        self.attempts_left += 1

    def add_usage(
        self, input_tokens: int, output_tokens: int, *, cost_usd: float | None = None, estimated: bool = False
    ) -> None:
        """Count what a request used.

        Args:
            input_tokens: Of the prompt.
            output_tokens: Of the answer.
            cost_usd: What that costs; None: nobody knows.
            estimated: The provider did not say; this is a guess of ours.
        """
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.estimated_tokens += input_tokens + output_tokens if estimated else 0
        self.cost_usd += cost_usd or 0.0
        self.unpriced += cost_usd is None

    def spending(self) -> dict[str, int]:
        """What whoever goes on with this budget has to know: `usage`, and the requests that failed or are under way."""
        return {
            **self.usage(),
            "unpriced_requests": self.unpriced,
            "attempts": self._max_attempts - self.attempts_left,
        }

    def usage(self) -> dict[str, int]:
        """What was spent so far, by name; money in millionths of a US dollar, if any price was known."""
        spent = {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "requests": self.requests,
        }
        if self.estimated_tokens:
            spent["estimated_tokens"] = self.estimated_tokens
        if self.cost_usd:
            spent["cost_microusd"] = round(self.cost_usd * _MICRO)
            spent["unpriced_requests"] = self.unpriced
        return spent
