"""Metrics of turns, models and the chain between them."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from yaoki.llm.chain.notices import AttemptFailed, FailedOver, FirstToken, Hedged, MovedBack, Parked
from yaoki.llm.local.notices import LocalModelLost
from yaoki.monitoring.error_counter import ErrorCounter
from yaoki.resilience.notices import Notices
from yaoki.turns.notices import TurnFailed, TurnFinished

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)


class TurnMetrics:
    """Counts what turns and the chain say."""

    def __init__(self, notices: Notices, errors: ErrorCounter, registry: CollectorRegistry) -> None:
        self._errors = errors
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
        self._lost = Counter(
            "yaoki_embedded_models_lost_total", "Processes of embedded models that ended.", ["model"], registry=registry
        )
        self._parked = Counter(
            "yaoki_parked_total",
            "A key was refused or is spent, or a model has no other one or is gone; `what` rests.",
            ["model", "kind", "what"],
            registry=registry,
        )
        self._moved_back = Counter(
            "yaoki_moved_back_total", "A model was slow for its own usual measure.", ["model"], registry=registry
        )
        self._hedges = Counter(
            "yaoki_hedges_total",
            "The first token of `model` was late, so `other` was asked, too; one of them was faster.",
            ["model", "other", "winner"],
            registry=registry,
        )
        notices.subscribe(Hedged, self._was_hedged)
        notices.subscribe(MovedBack, self._was_moved_back)
        notices.subscribe(Parked, self._somebody_should_look)
        notices.subscribe(LocalModelLost, self._local_model_lost)
        notices.subscribe(TurnFinished, self._turn_finished)
        notices.subscribe(TurnFailed, self._turn_failed)
        notices.subscribe(AttemptFailed, self._attempt_failed)
        notices.subscribe(FailedOver, self._failed_over)
        notices.subscribe(FirstToken, self._first_token_came)

    def _turn_finished(self, notice: TurnFinished) -> None:
        self._turns.labels(notice.outcome).inc()
        self._turn_seconds.observe(notice.seconds)

    def _turn_failed(self, _notice: TurnFailed) -> None:
        self._broken.inc()

    def _local_model_lost(self, notice: LocalModelLost) -> None:
        self._lost.labels(notice.model).inc()

    def _attempt_failed(self, notice: AttemptFailed) -> None:
        self._faults.labels(notice.model, notice.fault).inc()
        self._errors.count(notice.kind)

    def _failed_over(self, notice: FailedOver) -> None:
        self._failovers.labels(notice.from_model, notice.to_model, notice.phase).inc()

    def _first_token_came(self, notice: FirstToken) -> None:
        self._first_token.labels(notice.model).observe(notice.seconds)

    def _somebody_should_look(self, notice: Parked) -> None:
        self._parked.labels(notice.model, notice.kind, notice.what).inc()

    def _was_moved_back(self, notice: MovedBack) -> None:
        self._moved_back.labels(notice.model).inc()

    def _was_hedged(self, notice: Hedged) -> None:
        self._hedges.labels(notice.model, notice.other, notice.winner).inc()
