"""Prometheus metrics, fed by the notices of the layers below."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from yaoki.llm.local.notices import LocalModelLost
from yaoki.llm.notices import AttemptFailed, FailedOver, FirstToken
from yaoki.resilience.breaker import BreakerState, CircuitBreaker
from yaoki.resilience.notices import Notices
from yaoki.turns.notices import TurnFailed, TurnFinished

_STATES = {state: number for number, state in enumerate(BreakerState)}
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)


class Metrics:
    """The metrics of one application.

    Args:
        breakers: Their states are read when somebody asks.
        figures: Further gauges by metric name, each with its help and what reads it when somebody asks.
    """

    def __init__(
        self,
        notices: Notices,
        *,
        breakers: Iterable[CircuitBreaker] = (),
        figures: Mapping[str, tuple[str, Callable[[], float]]] | None = None,
    ) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._breakers = tuple(breakers)
        self._figures = figures or {}
        registry.register(self)
        self._turns = Counter("yaoki_turns_total", "Turns ended, by outcome.", ["outcome"], registry=registry)
        self._turn_seconds = Histogram(
            "yaoki_turn_seconds", "From a turn's claim to its end.", buckets=_SECONDS, registry=registry
        )
        self._broken = Counter(
            "yaoki_turn_runs_broken_total", "Runs that broke off and left their turn open.", registry=registry
        )
        self._first_token = Histogram(
            "yaoki_first_token_seconds",
            "From a request to a model's first sign of life.",
            ["model"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._failovers = Counter(
            "yaoki_failovers_total", "The chain left one model for another.", ["from", "to", "phase"], registry=registry
        )
        self._faults = Counter(
            "yaoki_stream_faults_total", "What was wrong with a model's stream.", ["model", "fault"], registry=registry
        )
        self._errors = Counter(
            "yaoki_model_errors_total", "Failed attempts, by the kind of error.", ["model", "kind"], registry=registry
        )
        self._lost = Counter(
            "yaoki_embedded_models_lost_total", "Processes of embedded models that ended.", ["model"], registry=registry
        )
        notices.subscribe(LocalModelLost, self._local_model_lost)
        notices.subscribe(TurnFinished, self._turn_finished)
        notices.subscribe(TurnFailed, self._turn_failed)
        notices.subscribe(AttemptFailed, self._attempt_failed)
        notices.subscribe(FailedOver, self._failed_over)
        notices.subscribe(FirstToken, self._first_token_came)

    def exposition(self) -> tuple[bytes, str]:
        """The metrics in Prometheus' text format, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterable[Any]:
        """Figures that are read rather than counted; prometheus-client calls this."""
        states = GaugeMetricFamily("yaoki_breaker_state", f"{_STATES}.", labels=["name"])
        for breaker in self._breakers:
            states.add_metric([breaker.name], _STATES[breaker.state])
        yield states
        for name, (text, read) in self._figures.items():
            yield GaugeMetricFamily(name, text, value=read())

    def _turn_finished(self, notice: TurnFinished) -> None:
        self._turns.labels(notice.outcome).inc()
        self._turn_seconds.observe(notice.seconds)

    def _turn_failed(self, _notice: TurnFailed) -> None:
        self._broken.inc()

    def _local_model_lost(self, notice: LocalModelLost) -> None:
        self._lost.labels(notice.model).inc()

    def _attempt_failed(self, notice: AttemptFailed) -> None:
        self._faults.labels(notice.model, notice.fault).inc()
        self._errors.labels(notice.model, notice.kind).inc()

    def _failed_over(self, notice: FailedOver) -> None:
        self._failovers.labels(notice.from_model, notice.to_model, notice.phase).inc()

    def _first_token_came(self, notice: FirstToken) -> None:
        self._first_token.labels(notice.model).observe(notice.seconds)
