"""An error as an RFC 9457 problem document."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yaoki.errors.tree import AIOrchestrationError

_STATUS_BY_KIND = {
    "session.not_found": 404,
    "session.conflict": 409,
    "session.closed": 409,
    "session.store_unavailable": 503,
    "security.unauthenticated": 401,
    "security.forbidden": 403,
    "security.input_rejected": 422,
    "agent.parked": 409,
    "model.all_failed": 503,
    "resource.rate_limit": 429,
}
_STATUS_BY_FAMILY = {"resource": 503, "model": 502, "communication": 503}


def status_of(error: "AIOrchestrationError") -> int:
    """The HTTP status of an error; a fact named `status` wins (for 413, 415 and their like)."""
    status = error.facts.get("status")
    if isinstance(status, int):
        return status
    return _STATUS_BY_KIND.get(error.kind, _STATUS_BY_FAMILY.get(error.category, 500))


def problem(error: "AIOrchestrationError") -> dict[str, Any]:
    """The problem document of an error.

    Returns:
        `type`, `title`, `status` and `detail` of RFC 9457, then `kind`, `category`, `severity`, `fault`, `retryable`,
        `strategies`, `retry_after_s` if known, and the error's facts.
    """
    family, _, slug = error.kind.partition(".")
    document: dict[str, Any] = {
        "type": f"urn:yaoki:error:{error.kind}",
        "title": f"{family} {slug}".replace("_", " "),
        "status": status_of(error),
        "detail": error.message,
        "kind": error.kind,
        "category": error.category.value,
        "severity": error.severity.value,
        "fault": error.fault.value,
        "retryable": error.retryable,
        "strategies": [strategy.value for strategy in error.strategies],
    }
    if error.retry_after_s is not None:
        document["retry_after_s"] = error.retry_after_s
    return {**error.facts, **document}
