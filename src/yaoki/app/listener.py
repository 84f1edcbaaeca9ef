"""The listening socket. When file descriptors run out it answers 503, where asyncio would leave clients waiting.

Some descriptors are kept for work in progress, since models and the database need new ones, too. A client whose
connection would take one of those gets the 503. If even they are gone, one descriptor held in reserve is used for it.
"""

import contextlib
import errno
import json
import logging
import os
import resource
import socket
from typing import Any

from yaoki.errors import ResourceOverloadedError, problem
from yaoki.resilience.clock import SYSTEM_CLOCK

_KEPT = 32
_RETRY_AFTER_S = 2
_TELL_EVERY_S = 10.0
_REQUEST_BYTES = 65_536
_FULL = "This server has no descriptor left for another connection."

_log = logging.getLogger(__name__)


def _answer() -> bytes:
    body = json.dumps(problem(ResourceOverloadedError(_FULL, retry_after_s=_RETRY_AFTER_S))).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nconnection: close\r\n"
        f"retry-after: {_RETRY_AFTER_S}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Listener(socket.socket):
    """A listening socket for asyncio.

    Attributes:
        refused: Clients that were sent away.
    """

    def __init__(self, family: int) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self.refused = 0
        self._busy = _answer()
        self._told_at: float | None = None
        self._reserve: int | None = None
        self._keep_reserve()

    def accept(self) -> tuple[socket.socket, Any]:
        """The next client that can be served.

        Raises:
            BlockingIOError: There is none now; the one that was there has been sent away.
        """
        try:
            connection, address = super().accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._refuse_with_the_reserve()
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if limit != resource.RLIM_INFINITY and connection.fileno() >= limit - min(_KEPT, limit // 4):
            self._refuse(connection)  # the kernel gives the lowest number that is free
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return connection, address

    def close(self) -> None:
        """Stop listening."""
        super().close()
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def _keep_reserve(self) -> None:
        with contextlib.suppress(OSError):
            self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _refuse_with_the_reserve(self) -> None:
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None
            with contextlib.suppress(OSError):  # another thread may have been faster
                self._refuse(super().accept()[0])
        self._keep_reserve()

    def _refuse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                connection.recv(_REQUEST_BYTES)  # a request that is left unread turns the answer into a reset
            connection.sendall(self._busy)
            connection.shutdown(socket.SHUT_WR)
        self.refused += 1
        now = SYSTEM_CLOCK.monotonic()
        if self._told_at is None or now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            _log.warning("%s Clients are sent away; %d so far. Raise the limit (ulimit -n).", _FULL, self.refused)
