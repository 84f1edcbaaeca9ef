"""Who asks at the base URL: whose requests they are, which models they may use, and what they cost."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Protocol

from yaoki.api.v1.ledger import Ledger
from yaoki.api.v1.metering import Limits, Meter
from yaoki.errors import ResourceRateLimitedError
from yaoki.llm.chain.budget import Purse, TurnBudget
from yaoki.llm.chain.chain import Chain
from yaoki.llm.wire.request import LIMITS, WireRequest
from yaoki.resilience.clock import Clock
from yaoki.store.contract import ApiKey, Spending

LOCAL = "local"
"""The owner of requests without a key."""


class Budgets(Protocol):
    """Makes the budget of one answer."""

    def __call__(self, *, purse: Purse) -> TurnBudget:
        """A budget that draws on what its caller has left."""
        ...


class Caller:
    """One caller, for as long as it is known.

    Args:
        key: Its key; None: whoever comes without one.
        ledger: Where its answers are written down.
        today: What it has spent today already.

    Attributes:
        owner: Whose requests these are; part of every cache's key.
    """

    def __init__(self, key: ApiKey | None, ledger: Ledger, clock: Clock, today: Spending | None = None) -> None:
        self.owner = key.owner if key else LOCAL
        self._name = key.name if key else LOCAL
        self._kept = key is not None
        self._models = None if key is None or key.models is None else frozenset(key.models)
        self._ledger = ledger
        self._meter = Meter(_limits(key), clock, today)

    def chains(self, chains: Mapping[str, Chain]) -> Mapping[str, Chain]:
        """Those that it may use. What stands behind them as fallbacks is the operator's choice."""
        if self._models is None:
            return chains
        return {name: chain for name, chain in chains.items() if name in self._models}

    def look_at_the_calendar(self) -> None:
        """To be called now and then; see `metering`."""
        self._meter.look_at_the_calendar()

    @contextmanager
    def answering(
        self, request: WireRequest, chain: Chain, prompt_tokens: int, budgets: Budgets
    ) -> Generator[TurnBudget]:
        """The budget of one answer; what was spent of it is counted at the end, whatever that is.

        Raises:
            ResourceRateLimitedError: The caller may have no answer now.
        """
        output_tokens = _most_output(request, chain)
        usd = 0.0 if self._meter.limits.usd_per_day is None else _price(chain, prompt_tokens, output_tokens)
        try:
            answering = self._meter.begin(prompt_tokens + output_tokens, usd)
        except ResourceRateLimitedError:
            self._ledger.refused[self._name] += 1
            raise
        budget = budgets(purse=answering)
        try:
            yield budget
        finally:
            spent = self._meter.end(answering, budget)
            self._ledger.note(self._name, spent)
            if self._kept:
                self._ledger.add(self._name, self._meter.day, spent)


def _limits(key: ApiKey | None) -> Limits:
    if key is None:
        return Limits()
    return Limits(
        requests_per_minute=key.requests_per_minute,
        tokens_per_day=key.tokens_per_day,
        usd_per_day=key.usd_per_day,
    )


def _most_output(request: WireRequest, chain: Chain) -> int:
    """Tokens that one model's answer may have."""
    most = 0
    for candidate in chain.candidates:
        most = max(most, candidate.policy.max_output_tokens)
    for name in LIMITS:
        most = min(most, request.body.get(name) or most)
    return most


def _price(chain: Chain, prompt_tokens: int, output_tokens: int) -> float:
    """US dollars of such an answer from the chain's dearest model, as far as prices are known."""
    dearest = 0.0
    for candidate in chain.candidates:
        if candidate.price is not None:
            dearest = max(dearest, candidate.price(prompt_tokens, output_tokens) or 0.0)
    return dearest
