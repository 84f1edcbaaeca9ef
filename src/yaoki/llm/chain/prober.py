"""Asks candidates that their breakers refuse whether they are back, so that a person's request is never the probe.

    open, every `PING_S`      one request of one token; an answer closes the breaker
    half-open                 the same, as the breaker's own probe
    open again within `STEADY_S` after it was closed so: the pause doubles, up to `LONGEST_S`
    isolated, or resting      not asked: a person holds it, or it asked to be left alone

Closing on probes every few seconds beat waiting for the break to pass in every simulated incident.
"""

import asyncio
from collections.abc import Sequence

from yaoki.errors import AIOrchestrationError
from yaoki.llm.chain.candidates import Candidate
from yaoki.resilience.breaker import BreakerState
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

PING_S = 5.0
STEADY_S = 60.0
LONGEST_S = 60.0
_TICK_S = 0.5
_ASKED = (BreakerState.OPEN, BreakerState.HALF_OPEN)


class Comeback:
    """When to ask one candidate next."""

    __slots__ = ("_clock", "_closed", "_next", "_pause_s", "_refused")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pause_s = PING_S
        self._next = 0.0
        self._closed: float | None = None
        self._refused = False

    def due(self, *, refused: bool) -> bool:
        """Whether to ask now; `refused`: its breaker does not admit it, and it does not rest."""
        now = self._clock.monotonic()
        if refused and not self._refused:
            flapped = self._closed is not None and now - self._closed < STEADY_S
            self._pause_s = min(LONGEST_S, self._pause_s * 2) if flapped else PING_S
            self._next = now + self._pause_s
        self._refused = refused
        return refused and now >= self._next

    def asked(self, *, back: bool) -> None:
        """It was asked, and answered or not."""
        now = self._clock.monotonic()
        self._next = now + self._pause_s
        if back:
            self._closed = now


class Prober:
    """One background task over all candidates of a chain.

    Args:
        candidates: Those that another prober has taken already are left to it.
    """

    def __init__(self, candidates: Sequence[Candidate], *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._candidates = {candidate: Comeback(clock) for candidate in candidates}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask; from now on no half-open breaker admits a person's request."""
        self._candidates = {one: comeback for one, comeback in self._candidates.items() if not one.probed}
        for candidate in self._candidates:
            candidate.probed = True
        self._task = asyncio.get_running_loop().create_task(self._run(), name="llm-prober")

    async def aclose(self) -> None:
        """End it; breakers go back to their own probes."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            for candidate in self._candidates:
                candidate.probed = False

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            due = [one for one, comeback in self._candidates.items() if comeback.due(refused=_is_refused(one))]
            await asyncio.gather(*(self._ask(candidate) for candidate in due))

    async def _ask(self, candidate: Candidate) -> None:
        breaker = candidate.breaker
        permit = breaker.admit() if breaker.admits else None
        back = False
        try:
            async with asyncio.timeout(candidate.policy.first_token_timeout_s):
                await candidate.upstream.ping()
            back = True
        except (AIOrchestrationError, TimeoutError) as error:
            if isinstance(error, AIOrchestrationError):
                candidate.rest(error)
            if permit is not None:
                permit.failed()
        finally:
            self._candidates[candidate].asked(back=back)
            if permit is not None:
                permit.ignored()
        if back and breaker.state is not BreakerState.ISOLATED:
            breaker.reset()


def _is_refused(candidate: Candidate) -> bool:
    return candidate.breaker.state in _ASKED and candidate.rest_s == 0.0
