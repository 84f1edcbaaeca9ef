"""How the application is served: uvicorn, with the deadlines that it lacks."""

import asyncio
import socket

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from yaoki.api.policy import ApiPolicy

ABORT = "yaoki.abort"
"""The ASGI extension that breaks the connection at once, dropping what was not sent."""

HEADER_BYTES = 32_768
"""Bytes that a request's headers may have."""

_UNACKED_MS = 20_000


def server_config(app: ASGIApp, policy: ApiPolicy, *, host: str, port: int, drain_s: float) -> uvicorn.Config:
    """The server's settings. Whoever runs it handles signals, and sets `closing` before it is told to exit.

    Args:
        app: The application.
        policy: Its bounds.
        host: Address to listen on.
        port: Port; 0 lets the system choose.
        drain_s: Seconds that open connections get at the end.
    """

    class Protocol(GuardedProtocol):
        header_timeout_s = policy.request_timeout_s

    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Protocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=max(1, round(drain_s)),
        h11_max_incomplete_event_size=HEADER_BYTES,
    )


class GuardedProtocol(H11Protocol):
    """uvicorn's protocol with a deadline for headers, a way to break a connection, and notice of dead peers.

    uvicorn waits for ever for the rest of a request's headers, so a few thousand slow sockets would use up every
    descriptor.
    """

    header_timeout_s: float = 10.0
    _header_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected: its first request's headers are awaited."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            # asyncio sets this only where the listener was made with an explicit protocol; without, frames wait 40 ms
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKED_MS)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._headers_came()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Something came, or a request that had waited its turn is looked at."""
        super().handle_events()
        if self.scope is not None:  # pyright: ignore[reportUnnecessaryComparison] - None before the first request
            self.scope.setdefault("extensions", {})[ABORT] = {"abort": self.transport.abort}
        if self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            self._await_headers()
        else:
            self._headers_came()

    def _await_headers(self) -> None:
        if self._header_deadline is None:
            self._header_deadline = self.loop.call_later(self.header_timeout_s, self.transport.abort)

    def _headers_came(self) -> None:
        if self._header_deadline is not None:
            self._header_deadline.cancel()
            self._header_deadline = None
