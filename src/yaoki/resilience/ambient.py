"""The budget of the turn that is running, if one is: every layer draws from it, so retries never multiply."""

from contextvars import ContextVar, Token
from typing import Protocol

from yaoki.errors.tree import AgentTurnBudgetSpentError


class Budget(Protocol):
    """What a turn may still spend."""

    @property
    def remaining_s(self) -> float:
        """Seconds left; never below 0."""
        ...

    def spend_attempt(self) -> None:
        """Take one attempt; raises AgentTurnBudgetSpentError, having started nothing, if none is left."""
        ...


_budget: ContextVar[Budget | None] = ContextVar("yaoki_turn_budget", default=None)


def ambient_budget() -> Budget | None:
    """The budget that was bound around here, if any."""
    return _budget.get()


def spend_turn_attempt() -> bool:
    """Draw one attempt from the turn that is running; whether it had one. Without a turn there is no limit."""
    budget = _budget.get()
    if budget is None:
        return True
    try:
        budget.spend_attempt()
    except AgentTurnBudgetSpentError:
        return False
    return True


class Spending:
    """See `spending`. A class: every run of an agent enters one, and a generator costs three times as much."""

    __slots__ = ("_budget", "_token")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._token: Token[Budget | None] | None = None

    def __enter__(self) -> None:
        self._token = _budget.set(self._budget)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _budget.reset(self._token)


def spending(budget: Budget) -> Spending:
    """Let everything inside, and the tasks that it starts, draw from this budget when it tries again."""
    return Spending(budget)
