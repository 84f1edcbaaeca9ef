"""A candidate: one model that may answer, and what the process remembers about it between requests."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from yaoki.errors import AIOrchestrationError, ConfigurationSettingError, ResourceBreakerOpenError
from yaoki.llm.chain.allowance import Allowance
from yaoki.llm.chain.health import BACK_S, Health
from yaoki.llm.deltas import ContinuationMode, Upstream
from yaoki.llm.failures import ANOTHER_KEY, is_callers
from yaoki.resilience.breaker import BreakerState, CircuitBreaker, Permit
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock
from yaoki.resilience.deadlines import Timeout

Continuations = Literal["auto", "prefill", "instruction", "off"]

Price = Callable[[int, int], float | None]
"""US dollars for so many tokens of prompt and answer; None where nobody knows."""

PANIC_AT_ONCE = 2
"""How many requests at a time may go to a candidate that its breaker refuses, when nothing better is left."""
PROBE_S = 0.8
"""Seconds that a half answer waits to learn whether a backend honours a prefill."""
PARK_S = {"model.quota_exceeded": 300.0, "model.authentication": 60.0, "model.not_found": 60.0}
"""Seconds until a person may have mended a quota, a key or a name."""
_LONGEST_REST_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatePolicy:
    """What is expected of one candidate.

    Attributes:
        first_token_timeout_s: Seconds until the first sign of life, above 0.
        idle_timeout_s: Seconds between two signs of life, above 0.
        max_output_tokens: Where an answer is ended, and said to be; at least 1.
        continuation: prefill, instruction, off, or auto: prefill where a probe shows that it is honoured.
        context_tokens: Size of the model's window, where it is known; at least 1.
        move_back_s: Seconds for which others are asked first once it is slow for its own usual measure; 0.0: never.
        reads_along: Whether, as a standby, it reads each question while another candidate answers it.
        hedge_share: 0.0–1.0 of its calls whose late first token may start the next candidate, too; see `hedging`.
    """

    first_token_timeout_s: float = 10.0
    idle_timeout_s: float = 5.0
    max_output_tokens: int = 4096
    continuation: Continuations = "auto"
    context_tokens: int | None = None
    move_back_s: float = BACK_S
    reads_along: bool = False
    hedge_share: float = 0.0

    def __post_init__(self) -> None:
        if min(self.first_token_timeout_s, self.idle_timeout_s) <= 0 or self.max_output_tokens < 1:
            raise ConfigurationSettingError("A candidate's timeouts and its output limit must be above 0.")
        if self.move_back_s < 0:
            raise ConfigurationSettingError("A candidate can be moved back for 0 seconds at least.")
        if not 0.0 <= self.hedge_share <= 1.0:
            raise ConfigurationSettingError("A share of calls lies between 0.0 and 1.0.")


class Candidate:
    """One model that may answer. Lives as long as the process.

    Args:
        name: Unique in its chain; what people and metrics see.
        upstream: The way to the model.
        breaker: Its memory of failures; only this candidate uses it.
        policy: What is expected of it.
        price: US dollars for so many tokens of prompt and answer; None: nobody knows.
        clock: Where durations come from.

    Attributes:
        health: Whether it is as quick as it usually is.
        hedging: How many of its late calls may start another candidate.
        probed: Somebody asks it regularly whether it is back, so no person's request has to.
        clock: As given; its deadlines are read from it too.
        first_token: Ends a whole answer that takes longer than a first token may.
    """

    def __init__(
        self,
        *,
        name: str,
        upstream: Upstream,
        breaker: CircuitBreaker,
        policy: CandidatePolicy | None = None,
        price: Price | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = name
        self.upstream = upstream
        self.breaker = breaker
        self.policy = policy or CandidatePolicy()
        self.price = price
        self.probed = False
        self.hedging = Allowance(self.policy.hedge_share)
        self.health = Health(self.policy.move_back_s, clock=clock)
        self.clock = clock
        self.first_token = Timeout(self.policy.first_token_timeout_s)
        self._honours_prefill: bool | None = None
        self._probing: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None
        self._rests_until = 0.0
        self._panicking = 0

    def __repr__(self) -> str:
        state = f"{self.breaker!r} {self.health!r} rest={self.rest_s:g} s"
        return f"<Candidate {self.name} {state} prefill={self._honours_prefill}>"

    @property
    def rest_s(self) -> float:
        """Seconds that it asked to be left alone for, or that its key is parked for; 0.0 if it is neither."""
        return max(0.0, self._rests_until - self.clock.monotonic())

    @property
    def healthy(self) -> bool:
        """Whether a request may go to it without a second thought."""
        return self.rest_s <= 0.0 and self.healthy_after_rest

    @property
    def healthy_after_rest(self) -> bool:
        """Whether nothing but a rest, if it has one, speaks against a request."""
        return self.breaker.state is BreakerState.CLOSED if self.probed else self.breaker.admits

    @property
    def calm(self) -> bool:
        """Whether there is nothing to consider about it: no failure since it last answered, no rest, no slowness."""
        now = self.clock.monotonic()
        return self.breaker.calm and now >= self._rests_until and now >= self.health.back_until

    @property
    def bearable(self) -> bool:
        """Whether a request may go to it when nothing is healthy: few at a time, and never one held open by hand."""
        return self._panicking < PANIC_AT_ONCE and self.breaker.state is not BreakerState.ISOLATED

    def admit(self, *, anyway: bool) -> "Stake":
        """Start an attempt.

        Args:
            anyway: Past an open breaker and a rest too, since nothing better is left.

        Raises:
            ResourceBreakerOpenError: Others were faster: it is no longer healthy, or no longer bearable.
        """
        if self.healthy or (anyway and self.breaker.admits):
            return Stake(self, self.breaker.admit())
        if anyway and self.bearable:
            return Stake(self, None)
        raise ResourceBreakerOpenError(
            f"No more requests for {self.name!r} now.", retry_after_s=self.rest_s or self.breaker.retry_after_s
        )

    async def continuation_mode(self) -> ContinuationMode | None:
        """How to ask it to go on with half an answer; None if it should not be asked.

        Under `auto` a backend that is not known yet is probed, for at most `PROBE_S`; nothing learnt means
        `instruction`, this time.
        """
        match self.policy.continuation:
            case "off":
                return None
            case "auto":
                await self.learn(PROBE_S)
                return "prefill" if self._honours_prefill else "instruction"
            case fixed:
                return fixed

    @property
    def honours_prefill(self) -> bool:
        """Whether a probe has shown that the backend honours a prefill."""
        return self._honours_prefill is True

    @property
    def unknown(self) -> bool:
        """Whether it would be of use to learn if the backend honours a prefill."""
        return self.policy.continuation == "auto" and self._honours_prefill is None

    async def learn(self, timeout_s: float) -> None:
        """Find out whether the backend honours a prefill, unless that is known or of no use."""
        if not self.unknown:
            return
        try:
            async with asyncio.timeout(timeout_s), self._one_probe():
                if self.unknown:
                    self._honours_prefill = await self.upstream.honours_prefill()
        except (AIOrchestrationError, TimeoutError):
            return

    def _one_probe(self) -> asyncio.Lock:
        """Lets one at a time probe; a lock belongs to an event loop, while agents may run in several."""
        loop = asyncio.get_running_loop()
        if self._probing is None or self._probing[0] is not loop:
            self._probing = loop, asyncio.Lock()
        return self._probing[1]

    @property
    def may_be_instructed(self) -> bool:
        """Whether an instruction is left, should the backend refuse a prefill."""
        return self.policy.continuation == "auto"

    def refuse_prefill(self) -> None:
        """The backend takes no prefill."""
        self._honours_prefill = False

    def rest(self, error: AIOrchestrationError) -> None:
        """Leave it alone for as long as `error` asks, or until a person may have mended key, quota or name."""
        rest_s = min(_LONGEST_REST_S, error.retry_after_s or PARK_S.get(error.kind, 0.0))
        self._rests_until = max(self._rests_until, self.clock.monotonic() + rest_s)

    def count_panic(self, change: int) -> None:
        """One attempt past the breaker more or less."""
        self._panicking += change


class Stake:
    """The breaker's permit for one attempt; settled exactly once, later settlements are dropped."""

    __slots__ = ("_candidate", "_permit", "_settled")

    def __init__(self, candidate: Candidate, permit: Permit | None) -> None:
        self._candidate = candidate
        self._permit = permit
        self._settled = False
        if permit is None:
            candidate.count_panic(1)

    def won(self) -> None:
        """The candidate answered."""
        permit = self._settle()
        if permit is not None:
            permit.succeeded()

    def lost(self, error: AIOrchestrationError) -> None:
        """The candidate failed; an error of the caller's says nothing about it."""
        another_key = error.facts.get(ANOTHER_KEY)
        if not another_key:
            self._candidate.rest(error)
        permit = self._settle()
        if permit is not None and (is_callers(error) or another_key):
            permit.ignored()
        elif permit is not None:
            permit.failed()

    def void(self) -> None:
        """Cancelled, or nothing was learnt about the candidate."""
        permit = self._settle()
        if permit is not None:
            permit.ignored()

    def _settle(self) -> Permit | None:
        if self._settled:
            return None
        self._settled = True
        if self._permit is None:
            self._candidate.count_panic(-1)
        return self._permit
