"""Every refusal as an RFC 9457 problem that names the route, the field and a remedy."""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from yaoki.api.headers import API_HEADERS
from yaoki.api.openai_errors import PREFIX, error_document
from yaoki.errors import (
    AIErrorCategory,
    AIOrchestrationError,
    CommunicationProtocolError,
    SecurityInputRejectedError,
    problem,
)

M = TypeVar("M", bound=BaseModel)

_log = logging.getLogger(__name__)
_DEFAULT_RETRY_AFTER_S = 2.0
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_REMEDIES = {
    "session.not_found": "List your sessions with GET /ai/sessions.",
    "session.conflict": "Send a new message with a new id, or the same content with this one.",
    "session.closed": "Create a new session with POST /ai/sessions.",
    "session.corrupted": "Go on in another session (POST /ai/sessions): the others are not affected.",
    "session.store_unavailable": "Send the same request again after retry_after_s seconds.",
    "resource.overloaded": "Send the same request again after retry_after_s seconds.",
}
_INTERNAL = {
    "type": "about:blank",
    "title": "Internal Server Error",
    "status": 500,
    "detail": "Something went wrong on our side; the server's log says what.",
    "fault": "ours",
    "retryable": False,
}


def problem_document(error: AIOrchestrationError, scope: Scope) -> dict[str, Any]:
    """The problem with its route and, where something can be done about it, a remedy. Says it to the log if it is ours.

    Whoever sheds load says so itself, once for many.
    """
    document: dict[str, Any] = {**problem(error), "route": _route(scope)}
    if document["status"] in (429, 503):
        document.setdefault("retry_after_s", _DEFAULT_RETRY_AFTER_S)
    if error.kind in _REMEDIES:
        document.setdefault("remedy", _REMEDIES[error.kind])
    if document["status"] >= 500 and error.category is not AIErrorCategory.RESOURCE:
        _log.warning("%s failed: %s (%s)", _route(scope), error.message, error.kind, extra=error.context.as_dict())
    return document


def problem_response(error: AIOrchestrationError, scope: Scope) -> Response:
    """The answer to a request that cannot be served."""
    document = problem_document(error, scope)
    headers: dict[str, str] = {}
    if "retry_after_s" in document and document["status"] in (429, 503):
        headers["retry-after"] = str(max(1, math.ceil(document["retry_after_s"])))
    if document["status"] == 401:
        headers["www-authenticate"] = "Bearer"
    if scope["path"].startswith(PREFIX):
        content = encode_problem(error_document(document)).encode()
        return Response(content, document["status"], headers, "application/json")
    return _respond(document, headers)


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    for kind in (AIOrchestrationError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    match error:
        case AIOrchestrationError():
            return problem_response(error, request.scope)
        case RequestValidationError():
            return problem_response(rejection(error.errors()), request.scope)
        case HTTPException():
            response = problem_response(_refusal(error, request), request.scope)
            response.headers.update(error.headers or {})
            if error.status_code == 405:
                response.headers["allow"] = _allowed(request)
            return response
        case _:  # the server logs the traceback
            _log.error("%s failed unexpectedly: %s.", _route(request.scope), type(error).__name__)
            return _respond({**_INTERNAL, "route": _route(request.scope)}, dict(API_HEADERS))


def _respond(document: dict[str, Any], headers: dict[str, str]) -> Response:
    content = encode_problem(document).encode()
    return Response(content, document["status"], headers, "application/problem+json")


def encode_problem(document: Mapping[str, Any]) -> str:
    """JSON of a problem document, or of a frame that holds one."""
    return json.dumps(document, ensure_ascii=False, default=str)


def _route(scope: Scope) -> str:
    """The method, and the path as the route is written; as it was sent where there is no route."""
    route = scope.get("route")
    return f"{scope.get('method', 'WS')} {getattr(route, 'path', scope['path'])}"


def rejection(details: Sequence[Any]) -> AIOrchestrationError:
    """What is wrong with what a client sent: the first thing in words, all of them as data.

    Args:
        details: As pydantic lists them; the first part of a location says what was sent (body, query, frame).
    """
    if details[0]["type"] == "json_invalid":
        return SecurityInputRejectedError("The body is not JSON.", status=400, remedy="Send a JSON object.")
    found = [{"in": detail["loc"][0], "field": _field(detail["loc"]), "reason": _reason(detail)} for detail in details]
    first = found[0]
    where = f"{first['field']!r} of the {first['in']}" if first["field"] else f"The {first['in']}"
    return SecurityInputRejectedError(
        f"{where} was rejected: {first['reason']}.",
        field=first["field"] or first["in"],
        errors=found,
        remedy="Correct the fields that errors lists and send the request again.",
    )


def validated(model: type[M], value: object, where: str) -> M:
    """A value as a model.

    Args:
        where: What was sent, for the error.

    Raises:
        SecurityInputRejectedError: It is not one.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise rejection([{**detail, "loc": (where, *detail["loc"])} for detail in error.errors()]) from None


def _field(location: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in location[1:])


def _reason(detail: Any) -> str:
    reason = str(detail["msg"]).removeprefix("Value error, ")
    return reason[:1].lower() + reason[1:]


def _refusal(error: HTTPException, request: Request) -> AIOrchestrationError:
    """A refusal of the framework: no such route, no such method, or a body that cannot be read."""
    asked = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        return CommunicationProtocolError(
            f"There is no route {asked}.", status=404, remedy="GET /openapi.json lists the routes."
        )
    if error.status_code == 405:
        return CommunicationProtocolError(
            f"{asked} is not allowed here.", status=405, remedy=f"This route takes: {_allowed(request)}."
        )
    return SecurityInputRejectedError(str(error.detail), status=error.status_code, remedy="Send a JSON object.")


def _allowed(request: Request) -> str:
    """Every method that this path takes: the framework names those of the first route that has it."""
    routes = request.app.routes
    taken = (
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    )
    return ", ".join(taken)
