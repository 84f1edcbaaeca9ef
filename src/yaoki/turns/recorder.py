"""Writes what happens in a turn to its log, as it happens."""

import asyncio
import random
from collections.abc import Sequence

from yaoki.errors import SessionStoreUnavailableError
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.deltas import Compaction, Continuation, Failover, Finish, Held, Item, Restart, Text
from yaoki.resilience.clock import Clock
from yaoki.store.contract import Turn
from yaoki.store.events import Continued, DomainEvent, FailedOver, RecoveryTaken, Reset, Stepped, Stored, TextDelta
from yaoki.store.store import Store

STORE_PATIENCE_S = 60.0
"""How long a turn waits for a store that cannot write before it is left to a later claim."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0


class Recorder:
    """The sink of one turn's chain, and the only thing in a turn that writes.

    Attributes:
        message_id: The message that text belongs to.
        shown: Its text so far: committed, or on its way to the next commit.
        finish: How the model ended its newest response; None while it has not.
    """

    def __init__(self, store: Store, turn: Turn, budget: TurnBudget, clock: Clock) -> None:
        self.message_id = ""
        self.shown = ""
        self.finish: Finish | None = None
        self._store = store
        self._turn = turn
        self._budget = budget
        self._clock = clock
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret

    def begin_message(self, message_id: str, shown: str) -> None:
        """Text from now on belongs to this message, of which `shown` was written before."""
        self.message_id, self.shown, self.finish = message_id, shown, None

    async def take(self, item: Item) -> None:
        """Write one item of the chain."""
        turn = self._turn.id
        match item:
            case Text():
                self.shown += item.text
                await self.write(self._delta(item.text, item.model, item.held))
            case Held():
                await self.write(self._delta("", item.model, item.text))
            case Failover():
                phase = "mid_stream" if item.mid_stream else "before_first_token"
                event = FailedOver(
                    turn=turn,
                    from_model=item.from_model,
                    to_model=item.to_model,
                    kind=item.kind,
                    phase=phase,
                    at_char=item.at_char,
                    spent=self._budget.spending(),
                )
                await self.write(event)
            case Continuation():
                event = Continued(
                    turn=turn,
                    model=item.model,
                    mode=item.mode,
                    rolled_back_chars=item.rolled_back_chars,
                    spent=self._budget.spending(),
                )
                await self.write(event)
            case Restart():
                self.shown = ""
                spent = self._budget.spending()
                await self.write(Reset(turn=turn, message=self.message_id, reason=item.reason, spent=spent))
            case Compaction():
                reason = (
                    f"No model's window holds this conversation: its {item.left_out} oldest messages were left out."
                )
                await self.write(RecoveryTaken(turn=turn, strategy="compact_context", reason=reason))
            case Finish():
                self.finish = item
            case _:
                pass

    async def step(self, message: str) -> None:
        """A whole response is to be on disk before its tools run. Raises as `write` does."""
        stepped = Stepped(turn=self._turn.id, spent=self._budget.spending())
        await self.write(stepped, messages=[message], durable=True)

    def _delta(self, text: str, model: str, held: str) -> TextDelta:
        return TextDelta(turn=self._turn.id, message=self.message_id, text=text, model=model, held=held)

    async def write(self, *events: DomainEvent, messages: Sequence[str] = (), durable: bool = False) -> list[Stored]:
        """Append events and model messages in one transaction, waiting out a store that cannot write for a while.

        The turn's deadline is moved by the time spent waiting, since a slow store is not the models' fault.

        Args:
            messages: Whole model messages, as stored.
            durable: Only return once it is flushed to disk.

        Raises:
            FencedError: The turn is no longer ours.
            SessionStoreUnavailableError: The store stayed down for `STORE_PATIENCE_S`.
        """
        began = self._clock.monotonic()
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                stored = await self._store.turns.append(self._turn, events, messages, durable=durable)
            except SessionStoreUnavailableError:
                if self._clock.monotonic() >= began + STORE_PATIENCE_S:
                    raise
            else:
                if pause_s > _FIRST_PAUSE_S:
                    self._budget.pause(self._clock.monotonic() - began)
                return stored
            await asyncio.sleep(self._rng.uniform(pause_s / 2, pause_s))
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
