"""Tickets: a browser cannot send headers with a WebSocket, so it fetches a ticket first and puts it into the address.

A ticket is good for one link of its owner, once, for a short while. An address may end up in a log; a ticket in it is
worth nothing by then. Without authentication everybody is the same owner, and a page of our own needs none.
"""

import secrets
from collections import Counter
from dataclasses import dataclass

from yaoki.errors import ResourceRateLimitedError, SecurityUnauthenticatedError
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

_PER_OWNER = 100


@dataclass(frozen=True, slots=True)
class _Issued:
    owner: str
    deadline: float


class Tickets:
    """The tickets that nobody has used yet.

    Args:
        lifetime_s: Seconds that a ticket may be used.
    """

    def __init__(self, lifetime_s: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self.lifetime_s = lifetime_s
        self._clock = clock
        self._issued: dict[str, _Issued] = {}  # those that expire first come first
        self._owners: Counter[str] = Counter()

    def issue(self, owner: str) -> str:
        """A new ticket of an owner.

        Raises:
            ResourceRateLimitedError: The owner has too many unused ones.
        """
        self._forget_expired()
        if self._owners[owner] >= _PER_OWNER:
            raise ResourceRateLimitedError("Too many of your tickets are unused.", retry_after_s=self.lifetime_s)
        ticket = secrets.token_urlsafe(32)
        self._issued[ticket] = _Issued(owner, self._clock.monotonic() + self.lifetime_s)
        self._owners[owner] += 1
        return ticket

    def redeem(self, ticket: str) -> str:
        """Use a ticket up; returns its owner.

        Raises:
            SecurityUnauthenticatedError: There is no such ticket: unknown, expired or used before.
        """
        self._forget_expired()
        issued = self._take(ticket)
        if issued is None:
            raise SecurityUnauthenticatedError(
                "This ticket is unknown, expired or used.", remedy="Get a new one with POST /ai/tickets."
            )
        return issued.owner

    def _forget_expired(self) -> None:
        now = self._clock.monotonic()
        while self._issued:
            oldest = next(iter(self._issued))
            if self._issued[oldest].deadline > now:
                return
            self._take(oldest)

    def _take(self, ticket: str) -> _Issued | None:
        issued = self._issued.pop(ticket, None)
        if issued is not None:
            self._owners[issued.owner] -= 1
            if not self._owners[issued.owner]:
                del self._owners[issued.owner]
        return issued
