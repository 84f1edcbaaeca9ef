"""Metrics of guarded calls and of recoveries, in this package and in users' code."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from yaoki.monitoring.error_counter import ErrorCounter
from yaoki.recovery.reports import RecoveryEnded
from yaoki.resilience.breaker import BreakerState, CircuitBreaker
from yaoki.resilience.registry import Guards
from yaoki.resilience.topics import BulkheadRejected, CallEnded

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120)
_STATES = {state: number for number, state in enumerate(BreakerState)}


class GuardMetrics:
    """Counts what guards say, and reads the state of breakers and bulkheads when somebody asks.

    Args:
        breakers: Those that are not in the registry of `guards`.
    """

    def __init__(
        self, guards: Guards, breakers: Iterable[CircuitBreaker], errors: ErrorCounter, registry: CollectorRegistry
    ) -> None:
        self._guards = guards
        self._breakers = tuple(breakers)
        self._errors = errors
        self._calls = Counter(
            "yaoki_guard_calls_total", "Guarded calls, by outcome.", ["operation", "outcome"], registry=registry
        )
        self._rejected = Counter(
            "yaoki_bulkhead_rejected_total", "Callers refused by a bulkhead.", ["name"], registry=registry
        )
        self._recoveries = Counter(
            "yaoki_recoveries_total", "Recoveries.", ["manager", "strategy", "outcome"], registry=registry
        )
        self._recovery_seconds = Histogram(
            "yaoki_recovery_seconds", "How long recoveries took.", ["manager"], buckets=_SECONDS, registry=registry
        )
        self._unsubscribe = (
            guards.notices.subscribe(CallEnded, self._call_ended),
            guards.notices.subscribe(BulkheadRejected, self._bulkhead_rejected),
            guards.notices.subscribe(RecoveryEnded, self._recovery_ended),
        )
        registry.register(self)

    def close(self) -> None:
        """Listen no longer."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()

    def collect(self) -> Iterable[Metric]:
        """Figures that are read rather than counted; prometheus-client calls this."""
        states = GaugeMetricFamily("yaoki_breaker_state", f"0 to 3: {', '.join(_STATES)}.", labels=["name"])
        for breaker in (*self._breakers, *self._guards.breakers.all().values()):
            states.add_metric([breaker.name], _STATES[breaker.state])
        yield states
        in_use = GaugeMetricFamily("yaoki_bulkhead_in_use", "Calls inside a bulkhead.", labels=["name"])
        for name, bulkhead in self._guards.bulkheads.all().items():
            in_use.add_metric([name], bulkhead.in_use)
        yield in_use

    def _call_ended(self, notice: CallEnded) -> None:
        self._calls.labels(notice.operation, notice.outcome).inc()
        self._errors.count(notice.kind)

    def _bulkhead_rejected(self, notice: BulkheadRejected) -> None:
        self._rejected.labels(notice.name).inc()

    def _recovery_ended(self, notice: RecoveryEnded) -> None:
        self._recoveries.labels(notice.manager, notice.strategy, notice.outcome).inc()
        self._recovery_seconds.labels(notice.manager).observe(notice.seconds)
