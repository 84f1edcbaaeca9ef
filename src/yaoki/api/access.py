"""What stands before the routes, as plain ASGI: security headers, and who may ask.

Order, from the outside: `SecurityHeaders` marks every answer, `AccessGuard` refuses strangers, `BodyGuard` of
`bodies` reads the body within its bounds. A refused request never reaches a route.
"""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yaoki.api.headers import API_HEADERS, first_headers
from yaoki.api.policy import ApiPolicy
from yaoki.api.problems import problem_response
from yaoki.api.server import HEADER_BYTES
from yaoki.errors import (
    AIOrchestrationError,
    SecurityForbiddenError,
    SecurityInputRejectedError,
)

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
                _set_defaults(message, _FOR_DATA)
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
        headers = first_headers(scope)
        refusal = _oversized(scope) or self._refusal(scope.get("method", "GET"), headers, scope["type"])
        if refusal is not None:
            await problem_response(refusal, scope)(scope, receive, send)
            return
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if origin not in self._origins or scope["type"] == "websocket":
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=_shared(origin) | _PREFLIGHT)(scope, receive, send)
        else:
            await self._app(scope, receive, _sharing(send, origin))

    def _refusal(self, method: str, headers: Mapping[bytes, bytes], kind: str) -> AIOrchestrationError | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
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
        return _is_loopback(name)

    def _is_welcome(self, headers: Mapping[bytes, bytes], host: str) -> bool:
        if b"origin" not in headers:
            return headers.get(b"sec-fetch-site", b"none") in (b"none", b"same-origin")
        origin = headers[b"origin"].decode("latin-1").lower()
        scheme, _, authority = origin.partition("://")
        # Behind a proxy that ends TLS the schemes differ, so only the authority is compared.
        return origin in self._origins or (scheme in ("http", "https") and authority == host)


@lru_cache(maxsize=64)
def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def _oversized(scope: Scope) -> AIOrchestrationError | None:
    """The server bounds headers only while they are incomplete: some that come in one piece get by it."""
    if sum(len(name) + len(value) for name, value in scope["headers"]) <= HEADER_BYTES:
        return None
    return SecurityInputRejectedError(
        f"The headers are larger than {HEADER_BYTES} bytes.", status=431, limit=HEADER_BYTES, remedy="Send less."
    )


def _set_defaults(message: Message, wanted: list[tuple[bytes, bytes]]) -> None:
    brought = {name.lower() for name, _ in message["headers"]}
    message["headers"] = [*message["headers"], *(pair for pair in wanted if pair[0] not in brought)]


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


_FOR_DATA = _encoded(API_HEADERS)


def _shared(origin: str) -> dict[str, str]:
    return {"access-control-allow-origin": origin, "vary": "origin"}


def _sharing(send: Send, origin: str) -> Send:
    """A `send` whose answers the page of `origin` may read."""
    sharing = _encoded(_shared(origin) | {"cross-origin-resource-policy": "cross-origin"})

    async def send_shared(message: Message) -> None:
        if message["type"] == "http.response.start":
            _set_defaults(message, sharing)
        await send(message)

    return send_shared
