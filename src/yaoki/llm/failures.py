"""Failures of model calls: renamed at the door, and what they say about the candidate."""

import json
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, cast

from yaoki.errors import (
    AIErrorCategory,
    AIOrchestrationError,
    Fault,
    ModelAuthenticationError,
    ModelMalformedError,
    ModelUnavailableError,
    classify,
)

UNSUPPORTED = "unsupported"
"""The `fault` of a request that was not sent, since the model cannot take it."""
CERTIFICATE = "certificate"
"""The `fault` of a connection that was closed before a byte was sent, since nobody vouches for the other side."""
ANOTHER_KEY = "another_key"
"""The fact that the refused key is parked and the model has another one to use at once."""
_DEEPEST = 12
_WAITABLE = (408, 409, 425, 429)
_REFUSALS = (400, 422)


class ProviderError(Exception):
    """An error that a provider reported, in the shape by which `classify` reads the SDKs' own.

    Attributes:
        status_code: An HTTP status, or None.
        body: `{"error": {"code": …}}` or None.
        headers: Of the answer, as far as there are any.
    """

    def __init__(
        self, status_code: int | None, body: dict[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__("The provider reported an error.")
        self.status_code = status_code
        self.body = body
        self.headers = headers or {}


def rename(error: BaseException) -> AIOrchestrationError | None:
    """Our name for a failed model call; None for what is no failure of a model and must go on unchanged."""
    distrust = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if distrust is None:
        return classify(error, AIErrorCategory.MODEL)
    reason = distrust.verify_message or "it could not be verified"
    refused = ModelAuthenticationError(f"The server's TLS certificate is not trusted: {reason}.", fault=CERTIFICATE)
    refused.__cause__ = error
    return refused


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and what led to it, through the wrappings of SDK and HTTP client."""
    step: BaseException | None = error
    for _ in range(_DEEPEST):
        if step is None:
            return
        yield step
        step = step.__cause__ or step.__context__


def in_band_error(error: object) -> AIOrchestrationError:
    """The error that a provider reports inside a 200, under its status or code; unavailable where it has neither."""
    facts = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
    stati = (_status(facts.get(key)) for key in ("status", "code", "http_code", "status_code"))
    status = next(filter(None, stati), None)
    words = {key: str(facts[key]) for key in ("code", "type") if facts.get(key) and not _status(facts[key])}
    known = classify(ProviderError(status, {"error": words}), AIErrorCategory.MODEL)
    known = known or ModelUnavailableError("The provider reported an error inside the stream.")
    known.facts["fault"] = "error_event"
    return known


def status_error(status: int, headers: Mapping[str, str], raw: bytes) -> AIOrchestrationError:
    """The error that a provider reports by a status other than 200; `raw` is the body, as far as it was read."""
    if status < 400:
        return ModelMalformedError(f"The provider answered {status} instead of a stream.", fault="redirect")
    try:
        body: object = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    error = ProviderError(status, cast("dict[str, Any]", body) if isinstance(body, dict) else None, headers)
    return rename(error) or ModelUnavailableError(f"The provider answered {status}.")


def is_callers(error: AIOrchestrationError) -> bool:
    """Whether the request itself is at fault, so that the candidate must not be blamed for it."""
    if error.fault is Fault.CALLER or error.facts.get("fault") == UNSUPPORTED:
        return True
    status = error.facts.get("foreign_status")
    return isinstance(error, ModelMalformedError) and isinstance(status, int) and status not in _WAITABLE


def refuses_key(error: AIOrchestrationError) -> bool:
    """Whether the provider does not take the key, or takes it no longer."""
    return error.kind in ("model.authentication", "model.quota_exceeded") and error.facts.get("fault") != CERTIFICATE


def may_retry(error: AIOrchestrationError) -> bool:
    """Whether the same request may succeed at the same candidate a little later."""
    return error.retryable and not is_callers(error)


def refuses_request(error: AIOrchestrationError) -> bool:
    """Whether the backend says that it does not take a request of this shape."""
    return isinstance(error, ModelMalformedError) and error.facts.get("foreign_status") in _REFUSALS


def _status(value: object) -> int | None:
    try:
        status = int(cast("Any", value or 0))
    except (TypeError, ValueError):
        return None
    return status if 400 <= status < 600 else None
