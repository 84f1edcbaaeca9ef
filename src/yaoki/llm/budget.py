"""What one turn may still spend. Every layer draws from the same budget; none multiplies another's retries."""

from yaoki.errors import AgentTurnBudgetSpentError
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock


class TurnBudget:
    """A deadline and a number of attempts, drawn down by whoever tries something.

    Args:
        deadline_s: Seconds from now until the turn must have ended.
        max_attempts: Model requests in all, the first included.
    """

    def __init__(self, deadline_s: float = 180.0, max_attempts: int = 6, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._deadline = clock.monotonic() + deadline_s
        self.attempts_left = max_attempts
        self.input_tokens = 0
        self.output_tokens = 0
        self.requests = 0

    @property
    def remaining_s(self) -> float:
        """Seconds left; never below 0."""
        return max(0.0, self._deadline - self._clock.monotonic())

    def spend_attempt(self) -> None:
        """Take one attempt.

        Raises:
            AgentTurnBudgetSpentError: No attempt or no time is left; nothing was started.
        """
        if self.attempts_left <= 0 or self.remaining_s <= 0:
            what = "time" if self.attempts_left > 0 else "attempts"
            raise AgentTurnBudgetSpentError(f"The turn has no {what} left.")
        self.attempts_left -= 1
        self.requests += 1

    def add_usage(self, input_tokens: int, output_tokens: int) -> None:
        """Count tokens that a provider reported."""
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens

    def usage(self) -> dict[str, int]:
        """What was spent so far, by name."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "requests": self.requests,
        }
