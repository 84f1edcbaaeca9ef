"""An error as others see it: problem document (RFC 9457) for clients, a flat record for logs; no secret in either."""

from typing import Any

from yaoki.errors.redaction import redact, redact_text
from yaoki.errors.root import AIOrchestrationError

_MAX_CAUSES = 5
_STATUS_BY_KIND = {
    "agent.parked": 409,
    "agent.cancelled": 409,
    "agent.turn_budget_spent": 504,
    "communication.protocol": 400,
    "communication.timeout": 504,
    "communication.slow_consumer": 408,
    "communication.resume_impossible": 410,
    "configuration.missing_extra": 501,
    "configuration.unknown_model": 404,
    "memory.unavailable": 503,
    "model.all_failed": 503,
    "model.context_overflow": 413,
    "model.overloaded": 503,
    "model.rate_limited": 503,
    "model.timeout": 504,
    "model.unavailable": 503,
    "resource.rate_limited": 429,
    "security": 403,
    "security.forbidden": 403,
    "security.input_rejected": 422,
    "security.tainted_action": 403,
    "security.tool_definition_changed": 409,
    "security.unauthenticated": 401,
    "session.closed": 409,
    "session.conflict": 409,
    "session.not_found": 404,
    "session.store_unavailable": 503,
}
_STATUS_BY_FAMILY = {"resource": 503, "model": 502, "communication": 503, "voice": 503}


def status_of(error: AIOrchestrationError) -> int:
    """The HTTP status of an error; a fact named `status` wins (for 413, 415 and their like)."""
    status = error.facts.get("status")
    if isinstance(status, int):
        return status
    return _STATUS_BY_KIND.get(error.kind, _STATUS_BY_FAMILY.get(error.category, 500))


def problem(error: AIOrchestrationError) -> dict[str, Any]:
    """The problem document of an error.

    Returns:
        `type`, `title`, `status` and `detail` of RFC 9457, then `kind`, `category`, `severity`, `fault`, `retryable`,
        `strategies`, `retry_after_s` and `trace_id` if known, and the error's facts, as far as JSON can hold them.
    """
    document: dict[str, Any] = {
        "type": f"urn:yaoki:error:{error.kind}",
        "title": error.kind.replace(".", " ").replace("_", " "),
        "status": status_of(error),
        "detail": redact_text(error.message),
        "kind": error.kind,
        "category": error.category.value,
        "severity": error.severity.value,
        "fault": error.fault.value,
        "retryable": error.retryable,
        "strategies": [strategy.value for strategy in error.strategies],
    }
    if error.retry_after_s is not None:
        document["retry_after_s"] = error.retry_after_s
    if error.context.trace_id:
        document["trace_id"] = error.context.trace_id
    return redact(error.facts) | document


def log_record(error: AIOrchestrationError) -> dict[str, Any]:
    """The same for a log: flat names, the whole context, and the types of the causes.

    Example:
        >>> from yaoki.errors import AIErrorContext, SessionConflictError
        >>> error = SessionConflictError("Same id, other text.", context=AIErrorContext(session_id="s1"))
        >>> log_record(error)["session_id"], log_record(error)["kind"]
        ('s1', 'session.conflict')
    """
    record = problem(error)
    for name in ("type", "title", "status", "strategies"):
        del record[name]
    return record | redact(error.context.as_dict()) | {"causes": _causes(error)}


def _causes(error: BaseException) -> list[str]:
    names: list[str] = []
    cause = error.__cause__
    while cause is not None and len(names) < _MAX_CAUSES:
        names.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        cause = cause.__cause__
    return names
