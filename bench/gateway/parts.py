"""What the base URL is measured with, each in a process of its own: a provider, and the least that a proxy can be.

`python -m bench.gateway.parts provider|raw PORT [PROVIDER_URL]`
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import uvicorn

SERVER: dict[str, Any] = {"http": "httptools", "loop": "asyncio", "lifespan": "off", "log_level": "error"}
"""uvicorn as Yaoki runs it."""
CHUNKS = 20
PAUSE_S = 0.002
"""Seconds between two chunks, so that each arrives alone, as tokens do."""
_STAMP: dict[str, Any] = {"id": "chatcmpl-1", "created": 1, "model": "m"}
_USAGE = {"prompt_tokens": 9, "completion_tokens": CHUNKS, "total_tokens": CHUNKS + 9}
WORDS = [f" word{number}" for number in range(CHUNKS)]


def _event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return f"data: {json.dumps({**_STAMP, 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n".encode()


EVENTS = [_event({"role": "assistant", "content": ""}), *(_event({"content": word}) for word in WORDS)]
END = (
    _event({}, "stop") + f"data: {json.dumps({**_STAMP, 'choices': [], 'usage': _USAGE})}\n\ndata: [DONE]\n\n".encode()
)
MESSAGE = {"role": "assistant", "content": "".join(WORDS)}
WHOLE = json.dumps(
    {
        **_STAMP,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
        "usage": _USAGE,
    }
).encode()


class Provider(asyncio.Protocol):
    """Answers chat completions; a model whose name ends in `paced` streams chunk by chunk, any other at once."""

    def __init__(self) -> None:
        self._buffer = b""
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        size = int(fields.get(b"content-length", b"0"))
        if separator and len(rest) >= size:
            self._buffer = rest[size:]
            task = asyncio.get_running_loop().create_task(self._answer(rest[:size]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, raw: bytes) -> None:
        body = json.loads(raw) if raw else {}
        write = self._transport.write
        if not body.get("stream"):
            write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE
            )
            return
        write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        if str(body.get("model")).endswith("paced"):
            for event in EVENTS:
                write(_chunk(event))
                await asyncio.sleep(PAUSE_S)
            write(_chunk(END) + b"0\r\n\r\n")
        else:
            write(_chunk(b"".join(EVENTS) + END) + b"0\r\n\r\n")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class RawProxy:
    """ASGI in, aiohttp out; no check, no JSON, no failover."""

    def __init__(self, provider: str) -> None:
        self._url = f"{provider}/chat/completions"
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, _scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        async with self._session.post(self._url, data=body, headers={"content-type": "application/json"}) as response:
            kind = response.headers.get("content-type", "").encode()
            await send({"type": "http.response.start", "status": response.status, "headers": [(b"content-type", kind)]})
            if b"event-stream" in kind:
                async for piece in response.content.iter_any():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            else:
                await send({"type": "http.response.body", "body": await response.read()})


async def _provide(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    part, port, *rest = sys.argv[1:]
    if part == "provider":
        asyncio.run(_provide(int(port)))
    else:
        uvicorn.run(RawProxy(rest[0]), host="127.0.0.1", port=int(port), **SERVER)


if __name__ == "__main__":
    main()
