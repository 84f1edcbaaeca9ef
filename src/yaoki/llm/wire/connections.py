"""The connections of the lean wire."""

from functools import partial

import aiohttp
from aiohttp.client_proto import ResponseHandler

CONNECT_S = 5.0
"""Seconds for the address, the connection and TLS. Everything later is under the chain's own deadlines."""
_KEEP_S = 30.0


def open_session() -> aiohttp.ClientSession:
    """A client with a pool of its own, without cookies, proxies and deadlines; for the running loop."""
    return aiohttp.ClientSession(
        connector=_Connector(limit=0, keepalive_timeout=_KEEP_S),
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class _Protocol(ResponseHandler):
    """Tells the reader of a body that its framing is broken, where the library only closes the connection.

    Without it the reader waits for ever. There is no public hook; the tests of broken framing pin this one.
    """

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        body = self._payload
        super().set_exception(exc, *filter(None, (exc_cause,)))
        if body is not None and not body.is_eof():
            body.set_exception(aiohttp.ClientPayloadError("The body's framing is broken."), exc)


class _Connector(aiohttp.TCPConnector):
    def __init__(self, *, limit: int, keepalive_timeout: float) -> None:
        super().__init__(limit=limit, keepalive_timeout=keepalive_timeout)  # pyright: ignore[reportUnknownMemberType] - theirs, of a parameter that is not used
        self._factory = partial(_Protocol, loop=self._loop)
