"""A small HTTP server on a real socket whose every connection is written out by the test."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


Reply = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class ScriptedServer:
    """Answers each request with the next reply for its method and path; the last one stays."""

    address: str = ""
    requests: list[Request] = field(default_factory=list[Request])
    replies: dict[str, list[Reply]] = field(default_factory=dict[str, list[Reply]])
    connections: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def on(self, route: str, *replies: Reply) -> None:
        self.replies[route] = list(replies)

    def seen(self, route: str) -> list[Request]:
        return [request for request in self.requests if f"{request.method} {request.path}" == route]

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(asyncio.create_task(self._handle(reader, writer)))

    async def aclose(self) -> None:
        """End the connections that hang; raise what went wrong in any other."""
        for connection in self.connections:
            connection.cancel()
        ended = await asyncio.gather(*self.connections, return_exceptions=True)
        for error in ended:
            if error is not None and not isinstance(error, asyncio.CancelledError):
                raise error

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read(reader)
            if request is not None:
                self.requests.append(request)
                waiting = self.replies[f"{request.method} {request.path}"]
                await (waiting.pop(0) if len(waiting) > 1 else waiting[0])(request, writer)
        finally:
            writer.close()


@asynccontextmanager
async def scripted_server() -> AsyncGenerator[ScriptedServer, None]:
    scripted = ScriptedServer()
    server = await asyncio.start_server(scripted.connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    scripted.address = f"http://{host}:{port}"
    async with server:
        yield scripted
        await scripted.aclose()


def says(status: int, body: object) -> Reply:
    """A JSON answer."""

    async def reply(_request: Request, writer: asyncio.StreamWriter) -> None:
        content = json.dumps(body).encode()
        kind = "application/json" if status < 400 else "application/problem+json"
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n".encode())
        writer.write(b"connection: close\r\n\r\n" + content)
        await writer.drain()

    return reply


def streams(*frames: tuple[str, dict[str, Any]], hang: bool = False) -> Reply:
    """An event stream of `(id, event)`, then closed cleanly; or silence for ever."""

    async def reply(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for event_id, event in frames:
            head = f"id: {event_id}\n" if event_id else ""
            writer.write(f"{head}data: {json.dumps(event)}\n\n".encode())
        await writer.drain()
        if hang:
            await asyncio.Event().wait()

    return reply


async def breaks(_request: Request, writer: asyncio.StreamWriter) -> None:
    """The connection is reset before an answer."""
    writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:  # connected, and left without a word
        return None
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target.partition("?")[0], headers, json.loads(content) if content else None)
