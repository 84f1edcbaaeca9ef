"""The guard and its policies, the clock and the notices: pure."""

from yaoki.resilience.ambient import Budget, ambient_budget, spending
from yaoki.resilience.breaker import (
    BREAKER_BREAK_S,
    BREAKER_THRESHOLD,
    BreakerPolicy,
    BreakerState,
    CircuitBreaker,
    Permit,
    Verdict,
)
from yaoki.resilience.bulkhead import BULKHEAD_MAX_CONCURRENT, Bulkhead, BulkheadPolicy
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock, Scheduler
from yaoki.resilience.deadlines import Timeout
from yaoki.resilience.fallback import FALLBACK_MODELS, Fallback
from yaoki.resilience.guard import Guard
from yaoki.resilience.guard_stream import StreamLimits
from yaoki.resilience.notices import Notices
from yaoki.resilience.registry import GUARDS, Guards, Registry
from yaoki.resilience.retry import (
    RETRY_DELAY_S,
    RETRY_FACTOR,
    RETRY_MAX_ATTEMPTS,
    Backoff,
    Retry,
    RetryBudget,
    RetryBudgetPolicy,
    RetryPolicy,
)
from yaoki.resilience.topics import (
    BreakerClosed,
    BreakerHalfOpened,
    BreakerIsolated,
    BreakerOpened,
    BulkheadRejected,
    CallEnded,
    FellBack,
    RetryScheduled,
)
from yaoki.resilience.verdicts import verdict_of

__all__ = [
    "BREAKER_BREAK_S",
    "BREAKER_THRESHOLD",
    "BULKHEAD_MAX_CONCURRENT",
    "FALLBACK_MODELS",
    "GUARDS",
    "RETRY_DELAY_S",
    "RETRY_FACTOR",
    "RETRY_MAX_ATTEMPTS",
    "SYSTEM_CLOCK",
    "Backoff",
    "BreakerClosed",
    "BreakerHalfOpened",
    "BreakerIsolated",
    "BreakerOpened",
    "BreakerPolicy",
    "BreakerState",
    "Budget",
    "Bulkhead",
    "BulkheadPolicy",
    "BulkheadRejected",
    "CallEnded",
    "CircuitBreaker",
    "Clock",
    "Fallback",
    "FellBack",
    "Guard",
    "Guards",
    "Notices",
    "Permit",
    "Registry",
    "Retry",
    "RetryBudget",
    "RetryBudgetPolicy",
    "RetryPolicy",
    "RetryScheduled",
    "Scheduler",
    "StreamLimits",
    "Timeout",
    "Verdict",
    "ambient_budget",
    "spending",
    "verdict_of",
]
