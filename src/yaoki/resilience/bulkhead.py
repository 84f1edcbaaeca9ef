"""A bulkhead: so many calls at once, so many waiting in line, and everybody else is refused.

The line is first in, first out, and a slot that is given up goes straight to the first in it, so nobody overtakes.
Whoever is cancelled while waiting leaves the line; whoever is cancelled after the slot was handed over, but before
running on, hands it to the next.
"""

import asyncio
from collections import deque

from yaoki.errors.records import Record
from yaoki.errors.tree import ConfigurationSettingError, ResourceBulkheadFullError
from yaoki.resilience.clock import SYSTEM_CLOCK, Scheduler
from yaoki.resilience.notices import Notices
from yaoki.resilience.topics import BulkheadRejected

BULKHEAD_MAX_CONCURRENT = 10


class BulkheadPolicy(Record):
    """How many may be inside and in line.

    Attributes:
        max_concurrent: Calls at once, at least 1.
        max_queued: Callers that may wait for a slot, at least 0.
        queue_timeout_s: Seconds that one waits at most, above 0.
    """

    max_concurrent: int = BULKHEAD_MAX_CONCURRENT
    max_queued: int = 100
    queue_timeout_s: float = 10.0

    def check(self) -> None:
        """Raise ConfigurationSettingError for a value outside its range."""
        if self.max_concurrent < 1 or self.max_queued < 0 or self.queue_timeout_s <= 0:
            raise ConfigurationSettingError(f"Out of range: {self!r}", settings=list(self.as_dict()))


_DEFAULT = BulkheadPolicy()


class Bulkhead:
    """Bounds how many calls to one dependency run at once.

    Args:
        name: What it stands before.
        policy: How many may be inside and in line.
        clock: Where the queue timeout comes from.
        notices: Who is told of `BulkheadRejected`.

    Attributes:
        in_use: Slots taken now.
        rejected: Callers refused since the start, by a full line or by its timeout.

    Example:
        >>> bulkhead = Bulkhead("reports", BulkheadPolicy(max_concurrent=1))
        >>> bulkhead.try_enter(), bulkhead.try_enter()
        (True, False)
        >>> bulkhead
        <Bulkhead reports 1/1 in use, 0/100 queued, 0 rejected>
        >>> bulkhead.leave()
    """

    __slots__ = ("_clock", "_notices", "_queue", "in_use", "name", "policy", "rejected")

    def __init__(
        self,
        name: str,
        policy: BulkheadPolicy = _DEFAULT,
        *,
        clock: Scheduler = SYSTEM_CLOCK,
        notices: Notices | None = None,
    ) -> None:
        self.name = name
        self.policy = policy
        self.in_use = 0
        self.rejected = 0
        self._clock = clock
        self._notices = notices
        self._queue: deque[asyncio.Future[bool]] = deque()

    def __repr__(self) -> str:
        policy = self.policy
        return (
            f"<Bulkhead {self.name} {self.in_use}/{policy.max_concurrent} in use, "
            f"{self.queued}/{policy.max_queued} queued, {self.rejected} rejected>"
        )

    @property
    def queued(self) -> int:
        """Callers in line now."""
        return len(self._queue)

    def try_enter(self) -> bool:
        """Take a slot if one is free and nobody waits for it."""
        if self.in_use < self.policy.max_concurrent and not self._queue:
            self.in_use += 1
            return True
        return False

    async def enter(self) -> None:
        """Take a slot, in line if need be; every success must be followed by one `leave`.

        Raises:
            ResourceBulkheadFullError: The line is full, or it took longer than `queue_timeout_s`; nothing was started.
        """
        if self.try_enter():
            return
        if len(self._queue) >= self.policy.max_queued:
            raise self._refuse("queue_full")
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        timer = self._clock.call_later(self.policy.queue_timeout_s, lambda: self._give_up(place))
        try:
            has_slot = await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():
                self.leave()  # the slot came at the same moment: it goes to the next
            self._forget(place)
            raise
        finally:
            timer.cancel()
        if not has_slot:
            raise self._refuse("queue_timeout")

    def enter_now(self) -> None:
        """Take a slot without waiting, for plain functions; raises ResourceBulkheadFullError if none is free."""
        if not self.try_enter():
            raise self._refuse("no_free_slot")

    def leave(self) -> None:
        """Give the slot up: to the first in line, if anybody waits."""
        self.in_use -= 1
        if self._queue:
            self._hand_out()

    def adopt(self, policy: BulkheadPolicy) -> None:
        """Follow another policy from now on; whoever is inside stays, whoever is in line keeps the place."""
        self.policy = policy
        self._hand_out()

    def _hand_out(self) -> None:
        while self._queue and self.in_use < self.policy.max_concurrent:
            place = self._queue.popleft()
            loop = place.get_loop()
            if place.done() or loop.is_closed():
                continue
            self.in_use += 1
            if loop is asyncio._get_running_loop():  # noqa: SLF001 - the public one raises where no loop runs
                place.set_result(True)
            else:
                loop.call_soon_threadsafe(self._hand_over, place)

    def _hand_over(self, place: "asyncio.Future[bool]") -> None:
        """Give a slot to a caller in this event loop; it was freed in another thread, and time has passed since."""
        if place.done():
            self.leave()
        else:
            place.set_result(True)

    def _give_up(self, place: "asyncio.Future[bool]") -> None:
        if not place.done():
            self._forget(place)
            place.set_result(False)

    def _forget(self, place: "asyncio.Future[bool]") -> None:
        if place in self._queue:
            self._queue.remove(place)

    def _refuse(self, reason: str) -> ResourceBulkheadFullError:
        self.rejected += 1
        if self._notices is not None and self._notices.wants(BulkheadRejected):
            self._notices.publish(BulkheadRejected(name=self.name, reason=reason))
        return ResourceBulkheadFullError(
            f"The bulkhead {self.name!r} has no room ({reason.replace('_', ' ')}).", bulkhead=self.name, reason=reason
        )
