"""Problems in OpenAI's shape, for clients of the base URL: their SDKs raise on it, and retry where it says so."""

from typing import Any

PREFIX = "/v1/"
"""Where OpenAI's shapes are spoken."""
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_CODES = {"model.context_overflow": "context_length_exceeded"}
"""Kinds by OpenAI's own codes, where programs look for them."""


def error_document(problem: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's error of a problem document: what to do about it is part of the message, the kind is the code.

    Example:
        >>> error_document({"status": 404, "detail": "None.", "kind": "model.not_found", "remedy": "Ask."})
        {'error': {'message': 'None. Ask.', 'type': 'not_found_error', 'param': None, 'code': 'model.not_found'}}
    """
    status, kind = problem["status"], problem.get("kind")
    error: dict[str, Any] = {
        "message": " ".join(filter(None, (problem["detail"], problem.get("remedy")))),
        "type": _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
        "param": problem.get("field"),
        "code": problem.get("code") or _CODES.get(str(problem.get("reason", kind)), kind),
    }
    for name in ("retry_after_s", "attempts", "shown_chars"):
        if name in problem:
            error[name] = problem[name]
    return {"error": error}
