"""The one table: what each kind of error means for whoever handles it.

A kind is `family.slug`. A row gives severity, whose fault, whether the same call may be tried again, and the strategies
that may heal it in the order to try them. A kind is listed here only; its class is `FamilySlugError` in the tree. The
nine rows without a slug say what is assumed of an error that is known by its family alone.
"""

from yaoki.errors.categories import AIErrorCategory, AIErrorSeverity, AIRecoveryStrategy, Fault


class Kind:
    """One row of the table."""

    __slots__ = ("category", "fault", "name", "retryable", "severity", "strategies")

    def __init__(self, name: str, severity: str, fault: str, retryable: bool, strategies: str) -> None:
        self.name = name
        self.category = AIErrorCategory(name.partition(".")[0])
        self.severity = AIErrorSeverity(severity)
        self.fault = Fault(fault)
        self.retryable = retryable
        self.strategies = tuple(AIRecoveryStrategy(word) for word in strategies.split())

    def __repr__(self) -> str:
        return f"<Kind {self.name} {self.severity} {self.fault}>"


# fmt: off
_ROWS = (
    Kind("model", "medium", "dependency", True, "failover retry cached degrade"),
    Kind("model.unavailable", "low", "dependency", True, "failover retry cached degrade"),
    Kind("model.timeout", "low", "dependency", True, "failover continue cached degrade"),
    Kind("model.rate_limited", "low", "dependency", True, "failover retry cached degrade"),
    Kind("model.quota_exceeded", "medium", "dependency", False, "failover escalate cached degrade"),
    Kind("model.overloaded", "low", "dependency", True, "failover retry cached degrade"),
    Kind("model.truncated", "medium", "dependency", True, "continue failover cached degrade"),
    Kind("model.malformed", "low", "dependency", True, "failover continue cached degrade"),
    Kind("model.empty", "low", "dependency", True, "failover cached degrade"),
    Kind("model.filtered", "medium", "caller", False, "failover degrade"),
    Kind("model.output_limit", "medium", "caller", False, "continue degrade"),
    Kind("model.context_overflow", "medium", "caller", False, "failover compact_context"),
    Kind("model.authentication", "medium", "ours", False, "refresh_credentials failover escalate"),
    Kind("model.not_found", "medium", "ours", False, "failover escalate"),
    Kind("model.all_failed", "high", "dependency", True, "cached degrade escalate"),
    Kind("agent", "high", "ours", False, "degrade escalate"),
    Kind("agent.tool_failed", "medium", "dependency", False, "degrade"),
    Kind("agent.tool_timeout", "medium", "dependency", False, "degrade"),
    Kind("agent.tool_outcome_unknown", "high", "dependency", False, "escalate"),
    Kind("agent.tool_not_found", "low", "caller", False, "degrade"),
    Kind("agent.tool_arguments", "low", "caller", False, "degrade"),
    Kind("agent.tool_loop", "medium", "caller", False, "degrade"),
    Kind("agent.tool_server_unavailable", "medium", "dependency", True, "reconnect degrade"),
    Kind("agent.turn_budget_spent", "high", "caller", False, "degrade"),
    Kind("agent.cancelled", "low", "caller", False, "none"),
    Kind("agent.parked", "high", "ours", False, "escalate"),
    Kind("session", "high", "ours", False, "restore_session escalate"),
    Kind("session.not_found", "low", "caller", False, "none"),
    Kind("session.corrupted", "critical", "ours", False, "restore_session quarantine escalate"),
    Kind("session.conflict", "low", "caller", False, "none"),
    Kind("session.closed", "low", "caller", False, "none"),
    Kind("session.store_unavailable", "critical", "dependency", True, "retry escalate"),
    Kind("voice", "medium", "dependency", True, "text_fallback"),
    Kind("voice.recognition", "medium", "dependency", True, "failover text_fallback"),
    Kind("voice.synthesis", "medium", "dependency", True, "failover text_fallback"),
    Kind("voice.unavailable", "medium", "dependency", True, "text_fallback"),
    Kind("voice.dead_air", "medium", "dependency", True, "failover text_fallback"),
    Kind("memory", "low", "dependency", True, "degrade"),
    Kind("memory.unavailable", "low", "dependency", True, "degrade"),
    Kind("memory.corrupted", "high", "ours", False, "quarantine"),
    Kind("security", "medium", "caller", False, "none"),
    Kind("security.unauthenticated", "low", "caller", False, "none"),
    Kind("security.forbidden", "low", "caller", False, "none"),
    Kind("security.input_rejected", "low", "caller", False, "none"),
    Kind("security.tool_definition_changed", "high", "dependency", False, "quarantine"),
    Kind("security.tainted_action", "high", "dependency", False, "quarantine"),
    Kind("resource", "low", "ours", True, "shed"),
    Kind("resource.breaker_open", "low", "dependency", True, "failover"),
    Kind("resource.bulkhead_full", "low", "ours", True, "shed"),
    Kind("resource.rate_limited", "low", "caller", True, "shed"),
    Kind("resource.overloaded", "medium", "ours", True, "shed"),
    Kind("communication", "low", "dependency", True, "reconnect"),
    Kind("communication.connection_lost", "low", "dependency", True, "reconnect retry"),
    Kind("communication.timeout", "low", "dependency", True, "retry failover degrade"),
    Kind("communication.unavailable", "low", "dependency", True, "retry failover degrade"),
    Kind("communication.slow_consumer", "low", "caller", True, "reconnect"),
    Kind("communication.protocol", "low", "caller", False, "none"),
    Kind("communication.room_unavailable", "medium", "dependency", True, "text_fallback reconnect"),
    Kind("communication.resume_impossible", "medium", "ours", False, "restore_session"),
    Kind("configuration", "high", "ours", False, "none"),
    Kind("configuration.setting", "high", "ours", False, "none"),
    Kind("configuration.missing_extra", "high", "ours", False, "none"),
    Kind("configuration.unknown_model", "high", "ours", False, "none"),
)
# fmt: on

KINDS: dict[str, Kind] = {row.name: row for row in _ROWS}
"""Every kind by its name, for example `KINDS["model.truncated"]`."""
