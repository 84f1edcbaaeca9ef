"""What callers have spent: on its way to the store, and as figures.

Answers are added up in memory and written in batches, so no request waits for the store. What a killed process loses is
what was settled since the last batch, which is `WRITE_EVERY_S` seconds or `BATCH` answers ago at most, and the answers
that were under way. An orderly end loses nothing.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from datetime import date

from yaoki.errors import SessionStoreUnavailableError
from yaoki.store.api_key_table import ApiKeyTable
from yaoki.store.contract import Spending

WRITE_EVERY_S = 0.5
"""Seconds between two batches, where there is anything to write."""
BATCH = 500
"""Answers that are written at once, however soon they have come together."""

_log = logging.getLogger(__name__)


class Ledger:
    """Adds up, and writes when it is told to.

    Attributes:
        full: Set when so much has come together that it wants to be written now.
        requests: Answers so far, by the caller's name.
        tokens: Of prompts and answers.
        usd: At list prices.
        refused: Requests that were too many.
    """

    def __init__(self, table: ApiKeyTable) -> None:
        self.full = asyncio.Event()
        self.requests: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.usd: dict[str, float] = {}
        self.refused: Counter[str] = Counter()
        self._table = table
        self._unwritten: dict[tuple[str, date], Spending] = {}
        self._answers = 0
        self._failing = False

    def note(self, name: str, spent: Spending) -> None:
        """Show an answer in the figures."""
        self.requests[name] += 1
        self.tokens[name] += spent.tokens
        self.usd[name] = self.usd.get(name, 0.0) + spent.cost_usd

    def figures(self) -> dict[str, tuple[str, Mapping[str, float]]]:
        """The live figures by the metric's name, each with its help."""
        return {
            "yaoki_key_requests_total": ("Answers at the base URL; key local: without one.", self.requests),
            "yaoki_key_tokens_total": ("Tokens of their prompts and answers, estimates included.", self.tokens),
            "yaoki_key_usd_total": ("What they cost at list prices, in US dollars.", self.usd),
            "yaoki_key_refused_total": ("Requests that were more than their key may make.", self.refused),
        }

    def add(self, name: str, day: date, spent: Spending) -> None:
        """Write an answer's cost with the next batch."""
        known = self._unwritten.get((name, day))
        if known is None:
            known = self._unwritten[name, day] = Spending()
        known.add(spent)
        self._answers += 1
        if self._answers >= BATCH:
            self.full.set()

    async def write(self) -> None:
        """Write what has come together. What the store cannot take now is kept for the next time."""
        batch, self._unwritten, self._answers = self._unwritten, {}, 0
        self.full.clear()
        if not batch:
            return
        try:
            await self._table.add(batch)
            self._failing = False
        except SessionStoreUnavailableError as error:
            for (name, day), spent in batch.items():
                self._unwritten.setdefault((name, day), Spending()).add(spent)
            if not self._failing:
                _log.warning("What API keys have spent is kept in memory for now: %s", error)
            self._failing = True
