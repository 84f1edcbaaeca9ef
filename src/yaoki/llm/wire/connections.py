"""The connections of the lean wire: aiohttp's pool, protocol and parser, without its session.

A session gets ready for cookies, redirects, proxies, traces and forms with each request, and writes it in a task of its
own. None of that is wanted here, and it takes longer than all that is.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError
from yarl import URL

OPENAI_URL = "https://api.openai.com/v1"
CONNECT_S = 5.0
"""Seconds for the address, the connection and TLS. Everything later is under the chain's own deadlines."""
_KEEP_S = 30.0
_READ_BYTES = 65_536
"""Bytes that one read asks for. For asyncio's own 256 KiB the allocator may ask the system each time: 20 µs a token."""
_HEADER_BYTES = 65_536
"""Of one header, as other clients take them: a front's policies and cookies may pass aiohttp's own 8 KB."""
_AHEAD_BYTES = 262_144
"""Half of what may wait to be taken before the provider has to pause: whole answers, where they come in a burst."""
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=CONNECT_S)
_INTERIM = range(100, 200)


class Connections:
    """A pool of its own, without cookies, proxies and deadlines; for the running loop."""

    def __init__(self) -> None:
        self._connector = _Connector(limit=0, keepalive_timeout=_KEEP_S)
        self._asked = _Asked("", {})

    def post(self, url: str, *, data: bytes, headers: Mapping[str, str]) -> "Response":
        """Ask; entering the answer sends the request. Redirects are not followed.

        Args:
            headers: All but the host and the length.
        """
        if url != self._asked.url or headers != self._asked.headers:
            self._asked = _Asked(url, dict(headers))
        return Response(self._connector, self._asked, data)

    async def close(self) -> None:
        """Close all of them."""
        await self._connector.close()


class _Asked:
    """What all requests to one address have in common, made once."""

    __slots__ = ("_made", "headers", "url")

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url = url
        self.headers = headers
        self._made: tuple[aiohttp.ClientRequest, bytes] | None = None

    def made(self) -> tuple[aiohttp.ClientRequest, bytes]:
        """The request by which the pool knows where to connect, and the head of all of them up to their length.

        Raises:
            ValueError: It is no address, or a header cannot be sent.
        """
        if self._made is None:
            loop = asyncio.get_running_loop()
            request = aiohttp.ClientRequest("POST", URL(self.url), headers=self.headers, loop=loop)
            fields = [f"{name}: {value}" for name, value in request.headers.items() if name != "Content-Length"]
            if any("\r" in field or "\n" in field for field in fields):
                raise ValueError("a header has a line end in it")
            lines = [f"POST {request.url.raw_path_qs} HTTP/1.1", *fields, "Content-Length: "]
            self._made = request, "\r\n".join(lines).encode()
        return self._made


class Response:
    """One answer, as a context. Left at the end of its body, its connection serves again; left before, it is closed.

    Attributes:
        status: HTTP's.
        headers: Names in any case.
        content: The body.
        connection: What it comes by, once it is there.
    """

    __slots__ = ("_asked", "_connector", "_data", "connection", "content", "headers", "status")

    status: int
    headers: Mapping[str, str]
    content: aiohttp.StreamReader
    connection: aiohttp.connector.Connection | None

    def __init__(self, connector: aiohttp.TCPConnector, asked: _Asked, data: bytes) -> None:
        self._connector = connector
        self._asked = asked
        self._data = data

    async def __aenter__(self) -> Self:
        request, head = self._asked.made()
        try:
            self.connection = connection = await self._connector.connect(request, [], _TIMEOUT)
        except TimeoutError as late:
            self._connector.clear_dns_cache()
            raise aiohttp.ConnectionTimeoutError(f"No connection within {CONNECT_S:g} s.") from late
        except aiohttp.ClientConnectorError:
            self._connector.clear_dns_cache()  # the name may have moved: the next attempt asks for it anew
            raise
        try:
            await self._ask(connection, head)
        except HttpProcessingError as error:
            connection.close()
            raise aiohttp.ClientResponseError(request.request_info, (), message=error.message) from error
        except BaseException:
            connection.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.connection is not None:
            self.connection.release()

    async def _ask(self, connection: aiohttp.connector.Connection, head: bytes) -> None:
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or transport.is_closing():
            raise aiohttp.ClientConnectionResetError("The connection was lost before it was used.")
        protocol.set_response_params(read_until_eof=True, read_bufsize=_AHEAD_BYTES, max_field_size=_HEADER_BYTES)
        transport.write(b"%b%d\r\n\r\n%b" % (head, len(self._data), self._data))
        message, self.content = await protocol.read()
        while message.code in _INTERIM:
            message, self.content = await protocol.read()
        self.status, self.headers = message.code, message.headers


class _Protocol(ResponseHandler):
    """Reads in pieces of a size that costs little, and tells the reader of a body that its framing is broken.

    The library only closes the connection then, and the reader would wait for ever. There are no public hooks; tests
    of broken framing pin this one, and those of floods that for pauses.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if hasattr(transport, "max_size"):  # asyncio's own, which its types do not know; other loops have none
            setattr(transport, "max_size", _READ_BYTES)  # noqa: B010
        super().connection_made(transport)

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._reading_paused or self._buffer_paused:  # it asks for each piece that is taken, paused or not
            super().resume_reading(resume_parser)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        body = self._payload
        super().set_exception(exc, *filter(None, (exc_cause,)))
        if body is not None and not body.is_eof():
            body.set_exception(aiohttp.ClientPayloadError("The body's framing is broken."), exc)


class _Connector(aiohttp.TCPConnector):
    def __init__(self, *, limit: int, keepalive_timeout: float) -> None:
        super().__init__(limit=limit, keepalive_timeout=keepalive_timeout)  # pyright: ignore[reportUnknownMemberType] - theirs, of a parameter that is not used
        self._factory = partial(_Protocol, loop=self._loop)
