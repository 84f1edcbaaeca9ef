"""HTTP/1.1 as bytes on a socket: reads whole requests, writes whatever a fault wants, well-formed or not.

No web framework, since one would repair what has to be broken here.
"""

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

_MAX_HEAD = 65_536
_HEARD = 65_536
_MAX_BODY = 256 * 1024 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request; header names in lower case, `path` without the query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    query: str = ""

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is anything else."""
        try:
            body = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


class Connection:
    """One accepted connection.

    Attributes:
        heard: Where the beginning of what is sent is noted, 64 KiB of it; None: nowhere.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._early = b""
        self.heard: bytearray | None = None
        send_at_once(writer)

    @property
    def closed(self) -> bool:
        """This side has closed the connection."""
        return self._writer.transport.is_closing()

    @property
    def local_address(self) -> str:
        """This side of the connection, as `host:port`."""
        host, port = self._writer.get_extra_info("sockname")[:2]
        return f"{host}:{port}"

    async def read_request(self) -> Request | None:
        """The next request; None when the client has left or does not speak HTTP."""
        try:
            head = self._early + await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            return None
        self._early = b""
        first, *lines = head.decode("latin-1").split("\r\n")
        method, _, rest = first.partition(" ")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }
        size = headers.get("content-length", "0")
        if len(head) > _MAX_HEAD or not size.isdecimal() or int(size) > _MAX_BODY:
            return None
        try:
            body = await self._reader.readexactly(int(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        target = urlsplit(rest.partition(" ")[0])
        return Request(method=method, path=target.path, headers=headers, body=body, query=target.query)

    async def until_left(self) -> None:
        """Return when the client has closed its side. A byte of a next request is kept for `read_request`."""
        while True:
            try:
                byte = await self._reader.read(1)
            except ConnectionError:
                return
            if not byte:
                return
            self._early += byte

    async def send(self, data: bytes) -> None:
        """Write, and wait until the kernel has taken it all.

        Raises:
            ConnectionError: The client has left.
        """
        if self.heard is not None:
            self.heard += data[: max(0, _HEARD - len(self.heard))]
        self._writer.write(data)
        await self._writer.drain()

    async def answer(
        self, status: int, body: bytes, *, content_type: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        """Send one whole, well-formed response.

        Raises:
            ConnectionError: The client has left.
        """
        await self.send(head(status, content_type, {"content-length": str(len(body)), **(headers or {})}) + body)

    def close(self) -> None:
        """Close cleanly: the client sees the end of the stream."""
        self._writer.close()

    def reset(self) -> None:
        """Close with a reset: the client's next read fails once it has taken what was sent before."""
        reset(self._writer)


def send_at_once(writer: asyncio.StreamWriter) -> None:
    """Have the kernel send what is written without delay, and `drain` wait until it has taken it all."""
    writer.transport.set_write_buffer_limits(high=0)
    _socket(writer).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset: the other side's next read fails once it has taken what was sent before."""
    if not writer.transport.is_closing():
        _socket(writer).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


def _socket(writer: asyncio.StreamWriter) -> socket.socket:
    return cast("socket.socket", writer.get_extra_info("socket"))


def head(status: int, content_type: str, headers: dict[str, str]) -> bytes:
    """The bytes of a response's head."""
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Scripted')}", f"content-type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunked(data: bytes, extension: str = "") -> bytes:
    """`data` as one chunk of a chunked body; nothing for nothing, since an empty chunk is the end."""
    return b"%x%s\r\n%s\r\n" % (len(data), extension.encode(), data) if data else b""
