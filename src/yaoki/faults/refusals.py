"""Plays that never begin an answer: statuses, pages, redirects, and connections that end before a head."""

import json
from typing import Any

from yaoki.faults.raw_http import head
from yaoki.faults.reply import Json, Reply

_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head>"
    b"<body><h1>Sign in</h1><p>Your session has expired. data: [DONE]</p></body></html>\n"
)


def error_body(message: str, **facts: Any) -> Json:
    """An error in OpenAI's shape."""
    return {"error": {"message": message, "type": "error", "param": None, "code": None, **facts}}


async def status(
    reply: Reply, code: int, *, kind: str = "server_error", error_code: str | None = None, wait: bool = False
) -> None:
    """A status with an error in OpenAI's shape; `wait` adds `Retry-After`."""
    reply.fire()
    body = error_body(f"Scripted {code}.", type=kind, code=error_code)
    headers = {"retry-after": f"{reply.script.retry_after_s:g}"} if wait else {}
    await reply.peer.answer(code, json.dumps(body).encode(), headers=headers)


async def status_page(reply: Reply, code: int) -> None:
    """A status with a page, as gateways send it."""
    reply.fire()
    page = f"<html><head><title>{code}</title></head><body><center>nginx</center></body></html>".encode()
    await reply.peer.answer(code, page, content_type="text/html")


async def page(reply: Reply, *, content_type: str = "text/html; charset=utf-8") -> None:
    """A 200 with a page."""
    reply.fire()
    await reply.peer.answer(200, _PAGE, content_type=content_type)


async def document(reply: Reply, body: Any, *, content_type: str = "application/json") -> None:
    """A 200 with JSON that is no completion."""
    reply.fire()
    await reply.peer.answer(200, json.dumps(body).encode(), content_type=content_type)


async def bare(reply: Reply, code: int) -> None:
    """A status without a body."""
    reply.fire()
    await reply.peer.send(f"HTTP/1.1 {code} Scripted\r\n\r\n".encode())


async def plain(reply: Reply, text: str) -> None:
    """A 200 with a sentence."""
    reply.fire()
    await reply.peer.answer(200, text.encode(), content_type="text/plain")


async def redirect(reply: Reply, location: str, *, code: int = 302) -> None:
    """A redirect; `{host}` in the location stands for this provider's own."""
    reply.fire()
    host = reply.peer.local_address
    await reply.peer.answer(code, b"", headers={"location": location.format(host=host, port=host.rpartition(":")[2])})


async def closes_at_once(reply: Reply) -> None:
    """The connection ends without a byte."""
    reply.fire()
    reply.peer.close()


async def resets_at_once(reply: Reply) -> None:
    """The connection is reset without a byte."""
    reply.fire()
    reply.peer.reset()


async def half_head(reply: Reply) -> None:
    """The connection ends inside the head."""
    reply.fire()
    await reply.peer.send(head(200, "text/event-stream", {"transfer-encoding": "chunked"})[:-20])
    reply.peer.close()


async def banner(reply: Reply) -> None:
    """Another protocol answers."""
    reply.fire()
    await reply.peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    reply.peer.close()


async def endless_head(reply: Reply) -> None:
    """Header follows header as fast as they are taken."""
    reply.fire()
    await reply.peer.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await reply.peer.send(b"x-filler: " + b"y" * 1000 + b"\r\n")
