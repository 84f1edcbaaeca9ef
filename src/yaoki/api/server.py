"""How the application is served: uvicorn, with the deadlines that it lacks."""

import asyncio
import resource
import socket

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from yaoki.api.link_protocol import LinkProtocol
from yaoki.api.policy import ApiPolicy
from yaoki.api.wire import WIRE, Wire

HEADER_BYTES = 32_768
"""Bytes that a request's headers may have."""

_UNACKED_MS = 20_000
_OTHER_DESCRIPTORS = 256


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
        ws=LinkProtocol,
        ws_max_size=policy.frame_bytes,
        ws_ping_interval=policy.ping_s,
        ws_ping_timeout=policy.pong_s,
        ws_per_message_deflate=False,  # 100 KB a link, for frames that hardly shrink
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


def allow_descriptors(policy: ApiPolicy) -> int:
    """Let this process open as many files as its streams need, as far as the system allows.

    Returns:
        How many descriptors it may have. With fewer than the policy's streams, some clients are not even heard.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = policy.max_streams + policy.max_requests + _OTHER_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


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
            self.scope.setdefault("extensions", {})[WIRE] = Wire(self.transport)  # type: ignore[assignment]
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
