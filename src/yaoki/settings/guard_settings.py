"""Tables [breakers.NAME], [retry.NAME] and [bulkheads.NAME]: policies of `resilience` for whoever uses that name."""

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from yaoki.errors import ConfigurationError
from yaoki.resilience.breaker_policy import BREAKER_BREAK_S, BREAKER_THRESHOLD, BreakerPolicy
from yaoki.resilience.bulkhead import BULKHEAD_MAX_CONCURRENT, BulkheadPolicy
from yaoki.resilience.retry import RETRY_DELAY_S, RETRY_FACTOR, RETRY_MAX_ATTEMPTS, Backoff, RetryPolicy
from yaoki.settings.section import Count, Ratio, Seconds, Section


class BreakerSettings(Section):
    """When a breaker opens and how it closes again; see `BreakerPolicy` for each key."""

    threshold: Annotated[int, Field(ge=1, le=10_000)] = BREAKER_THRESHOLD
    break_s: Seconds = BREAKER_BREAK_S
    probes: Annotated[int, Field(ge=1, le=1000)] = 1
    failure_ratio: Ratio | None = None
    slow_ratio: Ratio | None = None
    slow_call_s: Seconds | None = None
    window_calls: Count | None = None
    window_s: Seconds | None = None
    min_calls: Count = 10

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _checked(self.policy)
        return self

    def policy(self) -> BreakerPolicy:
        """What `resilience` makes a breaker of."""
        return BreakerPolicy(**self.model_dump())


class RetrySettings(Section):
    """How often, and how far apart, the first call included in `max_attempts`; see `RetryPolicy` for each key."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = RETRY_MAX_ATTEMPTS
    delay_s: Annotated[float, Field(ge=0, le=86_400)] = RETRY_DELAY_S
    backoff: Literal["exponential", "linear", "fibonacci", "constant"] = "exponential"
    factor: Annotated[float, Field(ge=1, le=100)] = RETRY_FACTOR
    max_delay_s: Seconds = 30.0
    jitter: bool = True
    max_retry_after_s: Annotated[float, Field(ge=0, le=86_400)] = 60.0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _checked(self.policy)
        return self

    def policy(self) -> RetryPolicy:
        """What `resilience` retries by."""
        values = self.model_dump(exclude={"backoff"})
        return RetryPolicy(backoff=Backoff(self.backoff), **values)


class BulkheadSettings(Section):
    """At most `max_concurrent` calls at once, and `max_queued` that wait for `queue_timeout_s` seconds at most."""

    max_concurrent: Count = BULKHEAD_MAX_CONCURRENT
    max_queued: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    queue_timeout_s: Seconds = 10.0

    def policy(self) -> BulkheadPolicy:
        """What `resilience` makes a bulkhead of."""
        return BulkheadPolicy(**self.model_dump())


def _checked(policy: Callable[[], object]) -> None:
    """Let a policy judge its own values."""
    try:
        policy()
    except ConfigurationError as error:
        raise ValueError(error.message) from error
