"""What stands before the routes, as plain ASGI: security headers, who may ask, and how much.

Order, from the outside: `SecurityHeaders` marks every answer, `AccessGuard` refuses strangers, `BodyGuard` reads the
body within its bounds. A refused request never reaches a route.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yaoki.api.headers import API_HEADERS
from yaoki.api.policy import ApiPolicy
from yaoki.api.problems import problem_response
from yaoki.api.server import HEADER_BYTES
from yaoki.errors import (
    AIOrchestrationError,
    CommunicationConnectionLostError,
    SecurityForbiddenError,
    SecurityInputRejectedError,
)

_LINGER_S = 1.0
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, PATCH, DELETE",
    "access-control-allow-headers": "content-type, last-event-id",
    "access-control-max-age": "600",
}


class SecurityHeaders:
    """Adds the headers for data to every answer that does not bring its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _set_defaults(message, API_HEADERS)
            await send(message)

        await self._app(scope, receive, send_guarded)


class AccessGuard:
    """Lets only those in who address this server by a name of its own, and only from pages of its own.

    A foreign page can send a browser here by a name that it made to mean the loopback (DNS rebinding), or straight to
    the loopback (cross-site requests). Programs that are no browsers send no Origin, and are let in. A WebSocket can
    change things, and browsers open them across sites without asking: they are held to what unsafe methods are.
    """

    def __init__(self, app: ASGIApp, policy: ApiPolicy) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in policy.hosts)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in policy.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = _oversized(headers) or self._refusal(scope.get("method", "GET"), headers, scope["type"])
        if refusal is not None:
            await problem_response(refusal, scope)(scope, receive, send)
            return
        origin = headers.get("origin", "").lower()
        if origin not in self._origins or scope["type"] == "websocket":
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=_shared(origin) | _PREFLIGHT)(scope, receive, send)
        else:
            await self._app(scope, receive, _sharing(send, origin))

    def _refusal(self, method: str, headers: Headers, kind: str) -> AIOrchestrationError | None:
        host = headers.get("host", "").lower()
        if not self._is_ours(host):
            return SecurityForbiddenError(
                f"This server is not called {host!r}.",
                field="Host",
                remedy="Use a loopback name (127.0.0.1, localhost), or have this name added to the allowed hosts.",
            )
        if (method not in _SAFE or kind == "websocket") and not self._is_welcome(headers, host):
            return SecurityForbiddenError(
                "A page of another site may not change anything here.",
                field="Origin",
                remedy="Use the server's own page, or have this origin added to the allowed origins.",
            )
        return None

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
        if name == "localhost" or name in self._hosts or host in self._hosts:
            return True
        try:
            return ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
        except ValueError:
            return False

    def _is_welcome(self, headers: Headers, host: str) -> bool:
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        scheme, _, authority = origin.lower().partition("://")
        # Behind a proxy that ends TLS the schemes differ, so only the authority is compared.
        return origin.lower() in self._origins or (scheme in ("http", "https") and authority == host)


def _oversized(headers: Headers) -> AIOrchestrationError | None:
    """The server bounds headers only while they are incomplete: some that come in one piece get by it."""
    if sum(len(name) + len(value) for name, value in headers.raw) <= HEADER_BYTES:
        return None
    return SecurityInputRejectedError(
        f"The headers are larger than {HEADER_BYTES} bytes.", status=431, limit=HEADER_BYTES, remedy="Send less."
    )


class BodyGuard:
    """Reads the body before the route runs: within its size, within its time, and only JSON."""

    def __init__(self, app: ASGIApp, policy: ApiPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if not ("transfer-encoding" in headers or headers.get("content-length", "0") != "0"):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(headers, receive)
        except AIOrchestrationError as refusal:
            response = problem_response(refusal, scope)
            response.headers["connection"] = "close"
            await response(scope, receive, _lingering(receive, send))
            return
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """The whole body.

        Raises:
            SecurityInputRejectedError: Too large, too slow, or not JSON.
            CommunicationConnectionLostError: The client has gone.
        """
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise SecurityInputRejectedError(
                "The body is not declared as JSON.",
                status=415,
                field="Content-Type",
                remedy="Send JSON with the header Content-Type: application/json.",
            )
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._policy.body_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._policy.request_timeout_s):
                return await self._receive(receive)
        except TimeoutError:
            raise SecurityInputRejectedError(
                f"The body did not arrive within {self._policy.request_timeout_s:g} s.",
                status=408,
                remedy="Send the request again, without pauses.",
            ) from None

    async def _receive(self, receive: Receive) -> bytes:
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise CommunicationConnectionLostError("The client left while it was sending.")
            body += message.get("body", b"")
            if len(body) > self._policy.body_bytes:
                raise self._too_large()
            more = message.get("more_body", False)
        return bytes(body)

    def _too_large(self) -> AIOrchestrationError:
        return SecurityInputRejectedError(
            f"The body is larger than {self._policy.body_bytes} bytes.",
            status=413,
            limit=self._policy.body_bytes,
            remedy="Send less at once.",
        )


def _lingering(receive: Receive, send: Send) -> Send:
    """A `send` that ends its answer only when the client has stopped sending, or has had time to.

    Closing at once would reset the connection under a client that is not done, and the reset would eat the answer.
    """

    async def send_then_listen(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            await send({**message, "more_body": True})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_S):
                    while (await receive()).get("more_body"):
                        pass  # thrown away
            message = {"type": "http.response.body", "body": b""}
        await send(message)

    return send_then_listen


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body again, then what follows it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _set_defaults(message: Message, wanted: Mapping[str, str]) -> None:
    headers = MutableHeaders(raw=message["headers"])
    for name, value in wanted.items():
        headers.setdefault(name, value)
    message["headers"] = headers.raw


def _shared(origin: str) -> dict[str, str]:
    return {"access-control-allow-origin": origin, "vary": "origin"}


def _sharing(send: Send, origin: str) -> Send:
    """A `send` whose answers the page of `origin` may read."""

    async def send_shared(message: Message) -> None:
        if message["type"] == "http.response.start":
            _set_defaults(message, _shared(origin) | {"cross-origin-resource-policy": "cross-origin"})
        await send(message)

    return send_shared
