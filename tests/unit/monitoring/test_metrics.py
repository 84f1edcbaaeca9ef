"""Metrics say what the notices said, under the names that dashboards rely on."""

from yaoki.llm.chain.notices import AttemptFailed, FailedOver, FirstToken, Hedged
from yaoki.llm.local.notices import LocalModelLost
from yaoki.monitoring.loop_watchdog import LoopStalled
from yaoki.monitoring.metrics import Metrics
from yaoki.recovery.reports import RecoveryEnded
from yaoki.resilience.breaker import CircuitBreaker
from yaoki.resilience.notices import Notices
from yaoki.resilience.registry import Guards
from yaoki.resilience.topics import BulkheadRejected, CallEnded
from yaoki.turns.notices import TurnFailed, TurnFinished


def test_every_notice_has_its_metric() -> None:
    notices = Notices()
    breaker = CircuitBreaker("one")
    guards = Guards()
    metrics = Metrics(
        notices,
        guards,
        breakers=[breaker],
        figures={"yaoki_loop_lag_seconds": ("How late the event loop is.", lambda: 0.25)},
    )
    for notice in (
        TurnFinished("completed", 1.2),
        TurnFailed("t_1", RuntimeError()),
        AttemptFailed("one", "model.truncated", "cut"),
        FailedOver("one", "two", "mid_stream"),
        FirstToken("two", 0.2),
        Hedged("one", "two", "two"),
        LocalModelLost("one", "killed", 0.5),
        LoopStalled(5.0, "the stack"),
    ):
        notices.publish(notice)
    guards.notices.publish(CallEnded(operation="lookup", outcome="failed", kind="model.timeout"))
    guards.notices.publish(BulkheadRejected(name="lookups", reason="queue_full"))
    guards.notices.publish(
        RecoveryEnded(manager="errors", operation="lookup", strategy="retry", outcome="recovered", seconds=0.2)
    )
    guards.bulkheads.get("lookups").enter_now()
    for _ in range(5):
        breaker.admit().failed()
    metrics.show("yaoki_clients_connected", "Clients that follow a session.", "channel", {"sse": 2, "ws": 1})
    lines = metrics.exposition()[0].decode().splitlines()
    for expected in (
        'yaoki_turns_total{outcome="completed"} 1.0',
        "yaoki_turn_seconds_count 1.0",
        "yaoki_turn_runs_broken_total 1.0",
        'yaoki_stream_faults_total{fault="cut",model="one"} 1.0',
        'yaoki_errors_total{category="model",kind="model.truncated",severity="medium"} 1.0',
        'yaoki_errors_total{category="model",kind="model.timeout",severity="low"} 1.0',
        'yaoki_guard_calls_total{operation="lookup",outcome="failed"} 1.0',
        'yaoki_bulkhead_rejected_total{name="lookups"} 1.0',
        'yaoki_bulkhead_in_use{name="lookups"} 1.0',
        'yaoki_recoveries_total{manager="errors",outcome="recovered",strategy="retry"} 1.0',
        'yaoki_recovery_seconds_count{manager="errors"} 1.0',
        'yaoki_failovers_total{from="one",phase="mid_stream",to="two"} 1.0',
        'yaoki_first_token_seconds_count{model="two"} 1.0',
        'yaoki_hedges_total{model="one",other="two",winner="two"} 1.0',
        'yaoki_embedded_models_lost_total{model="one"} 1.0',
        'yaoki_breaker_state{name="one"} 1.0',
        "yaoki_loop_lag_seconds 0.25",
        'yaoki_clients_connected{channel="sse"} 2.0',
        'yaoki_clients_connected{channel="ws"} 1.0',
        "yaoki_loop_stalled_seconds_count 1.0",
        "yaoki_loop_stalled_seconds_sum 5.0",
    ):
        assert expected in lines


def test_closed_metrics_no_longer_hear_the_guards() -> None:
    guards = Guards()
    metrics = Metrics(Notices(), guards)
    metrics.close()
    assert not guards.notices.wants(CallEnded)
