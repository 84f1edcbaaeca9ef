"""Whether and when to try again: growing delays, full jitter, the other side's own wish, a budget over all callers.

Full jitter (an even choice between nothing and the delay) spreads callers that failed together best; see Marc Brooker,
"Exponential Backoff And Jitter". The budget is a token bucket after Finagle's: retries may be a share of the first
tries, plus a few in reserve, so an outage does not multiply the load.
"""

from enum import StrEnum
from typing import TYPE_CHECKING

from yaoki.errors.classification import kind_of
from yaoki.errors.records import Record
from yaoki.errors.retry_after import retry_after_of
from yaoki.errors.root import AIOrchestrationError
from yaoki.errors.tree import ConfigurationSettingError, ResourceManagementError
from yaoki.resilience.ambient import ambient_budget, spend_turn_attempt
from yaoki.resilience.verdicts import Verdict, verdict_of

if TYPE_CHECKING:
    from random import Random

RETRY_MAX_ATTEMPTS = 3
RETRY_DELAY_S = 1.0
RETRY_FACTOR = 2.0


class Backoff(StrEnum):
    """How the delay grows from one attempt to the next."""

    EXPONENTIAL = "exponential"
    LINEAR = "linear"
    FIBONACCI = "fibonacci"
    CONSTANT = "constant"


class RetryPolicy(Record):
    """How often, how far apart, and after what.

    Attributes:
        max_attempts: Tries in all, the first included; at least 1.
        delay_s: Seconds after the first failure, at least 0.
        backoff: How the delay grows.
        factor: What an exponential delay is multiplied with; at least 1.
        max_delay_s: Seconds that no own delay exceeds.
        jitter: Choose a delay between 0 and the computed one, evenly.
        max_retry_after_s: Longest wait the other side may ask for; if it asks for more, there is no retry.
        retry_on: Exceptions to try again after, whatever their kind says.
        never_on: Exceptions not to try again after, whatever their kind says; wins.
    """

    max_attempts: int = RETRY_MAX_ATTEMPTS
    delay_s: float = RETRY_DELAY_S
    backoff: Backoff = Backoff.EXPONENTIAL
    factor: float = RETRY_FACTOR
    max_delay_s: float = 30.0
    jitter: bool = True
    max_retry_after_s: float = 60.0
    retry_on: tuple[type[BaseException], ...] = ()
    never_on: tuple[type[BaseException], ...] = ()

    def check(self) -> None:
        """Raise ConfigurationSettingError for a value outside its range."""
        if self.max_attempts < 1 or self.factor < 1 or min(self.delay_s, self.max_delay_s, self.max_retry_after_s) < 0:
            raise ConfigurationSettingError(f"Out of range: {self!r}", settings=list(self.as_dict()))

    def delay_after(self, attempt: int) -> float:
        """Seconds after the failed attempt `attempt` (starts at 1), before jitter.

        Example:
            >>> [RetryPolicy(backoff=Backoff.FIBONACCI).delay_after(n) for n in (1, 2, 3, 4, 5)]
            [1.0, 1.0, 2.0, 3.0, 5.0]
        """
        match self.backoff:
            case Backoff.EXPONENTIAL:
                growth = self.factor ** min(attempt - 1, 64)
            case Backoff.LINEAR:
                growth = attempt
            case Backoff.FIBONACCI:
                growth, following = 1, 1
                for _ in range(min(attempt, 64) - 1):
                    growth, following = following, growth + following
            case Backoff.CONSTANT:
                growth = 1
        return min(self.delay_s * growth, self.max_delay_s)


class RetryBudgetPolicy(Record):
    """How many retries all callers of a dependency have together.

    Attributes:
        share: Retries that each first try allows, at least 0.0.
        reserve: Retries that are allowed without any; also the most that can be saved up. At least 0.
    """

    share: float = 0.2
    reserve: int = 10

    def check(self) -> None:
        """Raise ConfigurationSettingError for a value outside its range."""
        if self.share < 0 or self.reserve < 0:
            raise ConfigurationSettingError(f"Out of range: {self!r}", settings=list(self.as_dict()))


_DEFAULT_BUDGET = RetryBudgetPolicy()
_DEFAULT = RetryPolicy()


class RetryBudget:
    """Retries left for everybody who calls one dependency.

    Example:
        >>> budget = RetryBudget(RetryBudgetPolicy(share=0.5, reserve=1))
        >>> budget.withdraw(), budget.withdraw()
        (True, False)
        >>> budget.deposit(), budget.deposit(), budget.withdraw()
        (None, None, True)
    """

    __slots__ = ("policy", "tokens")

    def __init__(self, policy: RetryBudgetPolicy = _DEFAULT_BUDGET) -> None:
        self.policy = policy
        self.tokens = float(policy.reserve)

    def __repr__(self) -> str:
        return f"<RetryBudget {self.tokens:.1f} of {self.policy.reserve}>"

    def deposit(self) -> None:
        """Somebody tries for the first time."""
        self.tokens = min(self.tokens + self.policy.share, self.policy.reserve)

    def withdraw(self) -> bool:
        """Whether somebody may try again; takes one retry if so."""
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Retry:
    """Decides after a failure.

    Args:
        policy: How often, how far apart, and after what.
        budget: Shared by everybody who calls the same dependency; without it every caller has all of its attempts.
        rng: Randomness of the jitter.
    """

    __slots__ = ("_rng", "budget", "policy")

    def __init__(
        self, policy: RetryPolicy = _DEFAULT, *, budget: RetryBudget | None = None, rng: "Random | None" = None
    ) -> None:
        self.policy = policy
        self.budget = budget
        self._rng = rng

    def __repr__(self) -> str:
        return f"<Retry {self.policy.max_attempts} attempts, {self.policy.backoff}, budget {self.budget!r}>"

    def adopt(self, policy: RetryPolicy) -> None:
        """Follow another policy from the next failure on."""
        self.policy = policy

    def retryable(self, error: BaseException) -> bool:
        """Whether the same call may be made again after this error.

        Unless `retry_on` lists it, a cancellation, a caller's error, a bug, and a call that was refused before it
        started (by an open breaker, a full bulkhead) is not tried again.
        """
        if isinstance(error, self.policy.never_on) or not isinstance(error, Exception):
            return False
        if isinstance(error, self.policy.retry_on):
            return True
        if isinstance(error, ResourceManagementError):
            return False
        kind = kind_of(error)
        return verdict_of(error) is Verdict.FAILED if kind is None else kind.retryable

    def next_delay_s(self, attempt: int, error: BaseException) -> float | None:
        """Seconds until the next attempt, or None if there is none.

        Args:
            attempt: The attempt that failed; starts at 1.
            error: What it failed with. How long the other side asks to wait is obeyed.
        """
        if attempt >= self.policy.max_attempts or not self.retryable(error):
            return None
        delay_s = self.policy.delay_after(attempt)
        if self.policy.jitter:
            self._rng = self._rng or _new_rng()
            delay_s = self._rng.uniform(0, delay_s)
        asked_s = error.retry_after_s if isinstance(error, AIOrchestrationError) else retry_after_of(error)
        if asked_s is not None:
            if asked_s > self.policy.max_retry_after_s:
                return None
            delay_s = max(delay_s, asked_s)
        return delay_s if self._afford(delay_s) else None

    def _afford(self, delay_s: float) -> bool:
        """Draw from the dependency's budget and from the turn's."""
        turn = ambient_budget()
        if turn is not None and delay_s >= turn.remaining_s:
            return False
        if self.budget is not None and not self.budget.withdraw():
            return False
        return spend_turn_attempt()


def _new_rng() -> "Random":
    from random import Random  # noqa: PLC0415 - it loads hashlib: whoever never waits does not pay for that

    return Random()  # noqa: S311 - jitter, not a secret
