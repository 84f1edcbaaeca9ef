"""Prometheus metrics of one application."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Summary, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from yaoki.monitoring.error_counter import ErrorCounter
from yaoki.monitoring.guard_metrics import GuardMetrics
from yaoki.monitoring.loop_watchdog import LoopStalled
from yaoki.monitoring.turn_metrics import TurnMetrics
from yaoki.resilience.breaker import CircuitBreaker
from yaoki.resilience.notices import Notices
from yaoki.resilience.registry import Guards


class Metrics:
    """Counts what the layers below say, and reads the rest when somebody asks. Use as a context manager, or `close`.

    Args:
        notices: Of turns, chain and models.
        guards: The guards of decorated functions.
        breakers: Further breakers, those of models.
        figures: Further gauges by metric name, each with its help and what reads it.
    """

    def __init__(
        self,
        notices: Notices,
        guards: Guards,
        *,
        breakers: Iterable[CircuitBreaker] = (),
        figures: Mapping[str, tuple[str, Callable[[], float]]] | None = None,
    ) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._figures = figures or {}
        self._counts: dict[str, tuple[str, str, Mapping[str, float]]] = {}
        registry.register(self)
        errors = ErrorCounter(registry)
        self._turns = TurnMetrics(notices, errors, registry)
        self._guards = GuardMetrics(guards, breakers, errors, registry)
        stalls = Summary("yaoki_loop_stalled_seconds", "Times in which the event loop did nothing.", registry=registry)
        notices.subscribe(LoopStalled, lambda notice: stalls.observe(notice.seconds))

    def show(self, name: str, text: str, label: str, counts: Mapping[str, float]) -> None:
        """Show a live table as one more gauge, or counter if `name` ends so: its keys are the values of `label`."""
        self._counts[name] = (text, label, counts)

    def close(self) -> None:
        """Listen no longer to guards, which outlive the application."""
        self._guards.close()

    def exposition(self) -> tuple[bytes, str]:
        """The metrics in Prometheus' text format, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterable[Metric]:
        """Figures that are read rather than counted; prometheus-client calls this."""
        for name, (text, read) in self._figures.items():
            yield GaugeMetricFamily(name, text, value=read())
        for name, (text, label, counts) in self._counts.items():
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = kind(name, text, labels=[label])
            for value, figure in counts.items():
                family.add_metric([value], figure)
            yield family
