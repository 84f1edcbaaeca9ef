"""Metrics say what the notices said, under the names that dashboards rely on."""

from yaoki.llm.local.notices import LocalModelLost
from yaoki.llm.notices import AttemptFailed, FailedOver, FirstToken
from yaoki.monitoring.metrics import Metrics
from yaoki.resilience.breaker import CircuitBreaker
from yaoki.resilience.notices import Notices
from yaoki.turns.notices import TurnFailed, TurnFinished


def test_every_notice_has_its_metric() -> None:
    notices = Notices()
    breaker = CircuitBreaker("one")
    metrics = Metrics(
        notices, breakers=[breaker], figures={"yaoki_loop_lag_seconds": ("How late the event loop is.", lambda: 0.25)}
    )
    for notice in (
        TurnFinished("completed", 1.2),
        TurnFailed("t_1", RuntimeError()),
        AttemptFailed("one", "model.truncated", "cut"),
        FailedOver("one", "two", "mid_stream"),
        FirstToken("two", 0.2),
        LocalModelLost("one", "killed", 0.5),
    ):
        notices.publish(notice)
    for _ in range(5):
        breaker.admit().failed()
    lines = metrics.exposition()[0].decode().splitlines()
    for expected in (
        'yaoki_turns_total{outcome="completed"} 1.0',
        "yaoki_turn_seconds_count 1.0",
        "yaoki_turn_runs_broken_total 1.0",
        'yaoki_stream_faults_total{fault="cut",model="one"} 1.0',
        'yaoki_model_errors_total{kind="model.truncated",model="one"} 1.0',
        'yaoki_failovers_total{from="one",phase="mid_stream",to="two"} 1.0',
        'yaoki_first_token_seconds_count{model="two"} 1.0',
        'yaoki_embedded_models_lost_total{model="one"} 1.0',
        'yaoki_breaker_state{name="one"} 1.0',
        "yaoki_loop_lag_seconds 0.25",
    ):
        assert expected in lines
