"""Foreign failures of model calls, renamed at the door: by type name, status and code, never by wording."""

from collections.abc import Iterator
from typing import Any, cast

from yaoki.errors import (
    AIOrchestrationError,
    Fault,
    ModelAuthenticationError,
    ModelContextOverflowError,
    ModelInferenceError,
    ModelMalformedError,
    ModelNotFoundError,
    ModelOverloadedError,
    ModelQuotaExceededError,
    ModelRateLimitedError,
    ModelTimeoutError,
    ModelTruncatedError,
    ModelUnavailableError,
)

_BY_STATUS: dict[int, type[ModelInferenceError]] = {
    401: ModelAuthenticationError,
    402: ModelQuotaExceededError,
    403: ModelAuthenticationError,
    404: ModelNotFoundError,
    408: ModelTimeoutError,
    413: ModelContextOverflowError,
    429: ModelRateLimitedError,
    503: ModelOverloadedError,
    529: ModelOverloadedError,
}
_BY_CODE: dict[str, type[ModelInferenceError]] = {
    "insufficient_quota": ModelQuotaExceededError,
    "billing_hard_limit_reached": ModelQuotaExceededError,
    "context_length_exceeded": ModelContextOverflowError,
    "exceed_context_size_error": ModelContextOverflowError,
    "model_not_found": ModelNotFoundError,
    "invalid_api_key": ModelAuthenticationError,
    "rate_limit_exceeded": ModelRateLimitedError,
    "rate_limit_error": ModelRateLimitedError,
    "overloaded_error": ModelOverloadedError,
    "server_overloaded": ModelOverloadedError,
}
_BY_TYPE_NAME: dict[str, type[ModelInferenceError]] = {
    "RemoteProtocolError": ModelTruncatedError,
    "ReadError": ModelTruncatedError,
    "IncompleteRead": ModelTruncatedError,
    "TimeoutException": ModelTimeoutError,
    "TimeoutError": ModelTimeoutError,
    "APITimeoutError": ModelTimeoutError,
    "TransportError": ModelUnavailableError,
    "APIConnectionError": ModelUnavailableError,
    "ContentFilterError": ModelMalformedError,
    "UnexpectedModelBehavior": ModelMalformedError,
    "ValidationError": ModelMalformedError,
    "JSONDecodeError": ModelMalformedError,
    "UnicodeDecodeError": ModelMalformedError,
    "ModelAPIError": ModelUnavailableError,
    "APIError": ModelUnavailableError,
    "OSError": ModelUnavailableError,
}


def error_for_status(
    status: int, *, code: str = "", retry_after_s: float | None = None, fault: str = "http_status"
) -> ModelInferenceError:
    """The error for an HTTP status; a provider's own code is more exact than its status."""
    cls = _BY_CODE.get(code) or _BY_STATUS.get(status) or ModelUnavailableError
    if 400 <= status < 500 and cls is ModelUnavailableError:
        cls = ModelMalformedError
    return cls(f"The provider answered {status}.", retry_after_s=retry_after_s, fault=fault, provider_status=status)


def rename(error: BaseException) -> AIOrchestrationError | None:
    """Our name for a failed model call; None for what is no model failure and must go on unchanged.

    The deepest cause that we know decides: the SDKs wrap what the watcher raises.
    """
    causes = list(_causes(error))
    for cause in reversed(causes):
        if isinstance(cause, AIOrchestrationError):
            return cause
    for cause in causes:
        status = getattr(cause, "status_code", None)
        if isinstance(status, int):
            return error_for_status(status, code=_code_of(causes), retry_after_s=_retry_after(causes))
    for cause in reversed(causes):
        for cls in type(cause).__mro__:
            known = _BY_TYPE_NAME.get(cls.__name__)
            if known:
                return known(f"{type(cause).__name__} while talking to the model.", fault=type(cause).__name__)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(12):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def _code_of(causes: list[BaseException]) -> str:
    for cause in causes:
        body = getattr(cause, "body", None)
        if isinstance(body, dict):
            body = cast("dict[str, Any]", body)
            inner = body.get("error")
            facts = cast("dict[str, Any]", inner) if isinstance(inner, dict) else body
            for key in ("code", "type"):
                if str(facts.get(key)) in _BY_CODE:
                    return str(facts[key])
    return ""


def _retry_after(causes: list[BaseException]) -> float | None:
    for cause in causes:
        headers = getattr(getattr(cause, "response", None), "headers", None)
        value = headers.get("retry-after") if headers is not None else None
        if value is not None:
            try:
                return max(0.0, float(value))
            except ValueError:
                return None
    return None


REFUSALS = (400, 422)
"""Statuses by which a backend says that it does not take such a request."""
_WAITABLE = (408, 409, 425, 429)


def is_callers(error: AIOrchestrationError) -> bool:
    """Whether the request itself is at fault, so that the candidate must not be blamed for it."""
    if error.fault is Fault.CALLER:
        return True
    status = error.facts.get("provider_status")
    return isinstance(error, ModelMalformedError) and isinstance(status, int) and status not in _WAITABLE


def may_retry(error: AIOrchestrationError) -> bool:
    """Whether the same request may succeed at the same candidate a little later."""
    return error.retryable and not is_callers(error)


def refuses_request(error: AIOrchestrationError) -> bool:
    """Whether the backend says that it does not take a request of this shape."""
    return error.facts.get("provider_status") in REFUSALS
