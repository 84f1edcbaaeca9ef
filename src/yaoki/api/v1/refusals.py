"""When a request itself is what no model takes, its client gets the provider's reason instead of "try again"."""

from typing import Any, cast

from yaoki.errors import AIOrchestrationError, ModelAllFailedError, SecurityInputRejectedError
from yaoki.errors.redaction import redact_text
from yaoki.llm.failures import ProviderError, is_callers

_REASON_CHARS = 500


def callers_refusal(failed: ModelAllFailedError) -> AIOrchestrationError | None:
    """A 400 with the last provider's reason, if every model refused the request as such; else None."""
    cause = failed.__cause__
    kinds = {attempt["kind"] for attempt in cast("list[dict[str, Any]]", failed.facts.get("attempts") or [])}
    if not isinstance(cause, AIOrchestrationError) or not is_callers(cause) or kinds != {cause.kind}:
        return None
    return SecurityInputRejectedError(
        f"No model takes this request: {_reason(cause)}", status=400, reason=cause.kind, remedy=""
    )


def _reason(cause: AIOrchestrationError) -> str:
    source = cause.__cause__
    body = source.body if isinstance(source, ProviderError) else None
    error: object = (body or {}).get("error")
    message: object = cast("dict[str, Any]", error).get("message") if isinstance(error, dict) else error
    return redact_text(message)[:_REASON_CHARS] if isinstance(message, str) else cause.message
