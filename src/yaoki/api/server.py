"""How the application is served: uvicorn, with the deadlines that it lacks."""

import asyncio
import resource
import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from yaoki.api.policy import ApiPolicy
from yaoki.api.websocket_protocol import LinkProtocol
from yaoki.api.wire import WIRE, Wire

HEADER_BYTES = 32_768
"""Bytes that a request's headers may have, and that may come without completing anything."""
MAX_PIPELINED = 16
"""Requests of one connection that may wait for the answer before theirs."""

READ_BYTES = 65_536
"""Bytes that one read asks for. For asyncio's own 256 KiB the allocator asks the system each time: 10 µs a read."""

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


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools, with what it lacks against clients that are slow, endless or not there any more.

    what a client does                              what happens
    sends no request, or only a part of its head    the connection is aborted after `header_timeout_s`
    sends over `HEADER_BYTES` that come to nothing  400, and the connection is closed
    sends more requests than it waits for           the same beyond `MAX_PIPELINED`
    sends such things while an answer is under way  the connection is aborted: a 400 would pass for a part of the answer
    is gone, without a word                         the system says so after `_UNACKED_MS`
    """

    header_timeout_s: float = 10.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected: its first request's head is awaited."""
        self._head_deadline: asyncio.TimerHandle | None = None
        self._in_head = True
        self._progress = False
        self._fruitless = 0
        self._wire = Wire(transport)
        if hasattr(transport, "max_size"):  # asyncio's own, which its types do not know; other loops have none
            setattr(transport, "max_size", READ_BYTES)  # noqa: B010
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            # asyncio sets this only where the listener was made with an explicit protocol; without, frames wait 40 ms
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKED_MS)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._unwatch()
        self._wire.lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        self._progress = False
        super().data_received(data)
        if self.transport.get_protocol() is not self:
            self._unwatch()  # a WebSocket now
            return
        self._fruitless = 0 if self._progress else self._fruitless + len(data)
        if self._fruitless > HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("A part of this request is too large.")
        idle = not self._answering and self.timeout_keep_alive_task is None
        if (self._in_head or idle) and not self.transport.is_closing():
            self._watch()
        else:
            self._unwatch()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request."""
        if self._answering:
            self.transport.abort()
        else:
            super().send_400_response(msg)

    # ------------------------------------------------------------------------------------------- what the parser tells

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = self._progress = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is whole: the application gets it.

        Raises:
            ValueError: Too many requests wait for their turn.
        """
        self._in_head, self._progress = False, True
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests at once")
        self.scope["extensions"] = {WIRE: self._wire}  # type: ignore[typeddict-item]
        cycle = self.cycle
        super().on_headers_complete()
        if self.cycle is not cycle:
            self.cycle.transport = _Outlet(self.transport, self.loop)  # type: ignore[assignment]
        self.flow.resume_reading()  # who does not read does not see that the client leaves

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is here."""
        self._progress = True
        super().on_message_complete()

    # ------------------------------------------------------------------------------------------------------- deadlines

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison] - None before the first request

    def _watch(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(self.header_timeout_s, self.transport.abort)

    def _unwatch(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None


class _Outlet:
    """What an answer is written to: its head waits for the first piece of its body, for one turn of the loop at most.

    A write costs more than all that leads to it.
    """

    __slots__ = ("_head", "_loop", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write, now or as soon as the loop has come round."""
        if self._head is None:
            self._transport.write(data)
        elif self._head:
            head, self._head = self._head, None
            self._transport.write(head + data)
        else:
            self._head = data
            self._loop.call_soon(self._waited)

    def close(self) -> None:
        """Close the connection once everything is sent."""
        self._waited()
        self._transport.close()

    def _waited(self) -> None:
        if self._head:
            self.write(b"")
