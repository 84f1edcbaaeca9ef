"""The budget of the turn that is running, if one is: every layer draws from it, so retries never multiply."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
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


@contextmanager
def spending(budget: Budget) -> Generator[None, None, None]:
    """Let everything inside, and the tasks that it starts, draw from this budget when it tries again."""
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)
