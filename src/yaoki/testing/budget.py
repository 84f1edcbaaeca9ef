"""A turn's budget."""

from yaoki.errors import AgentTurnBudgetSpentError


class FakeBudget:
    """So many attempts, and time that the test sets.

    Attributes:
        attempts_left: Attempts that may still be taken.
        remaining_s: Seconds left.
    """

    def __init__(self, attempts: int = 1, remaining_s: float = 1e9) -> None:
        self.attempts_left = attempts
        self.remaining_s = remaining_s

    def spend_attempt(self) -> None:
        """Take one attempt, or raise AgentTurnBudgetSpentError."""
        if self.attempts_left <= 0:
            raise AgentTurnBudgetSpentError("The turn has no attempts left.")
        self.attempts_left -= 1
