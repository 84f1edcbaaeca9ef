"""A client that trusts nothing: raw bytes from a socket, and how the connection ended."""

import asyncio
import json
import zlib
from dataclasses import dataclass
from typing import Any, Literal

QUIET_S = 0.3
"""A connection that says nothing for so long is left open on purpose."""

Message = dict[str, Any]
ASK: list[Message] = [{"role": "user", "content": "How many ships?"}]


@dataclass(frozen=True, slots=True)
class Taken:
    """What came back: the bytes, and whether the other side ended the stream, reset it, or left it open."""

    raw: bytes
    end: Literal["closed", "reset", "open"]

    @property
    def head(self) -> bytes:
        return self._final[0]

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def body(self) -> bytes:
        body = self._final[1]
        if self.headers.get("transfer-encoding") == "chunked":
            body = _unchunk(body)
        return zlib.decompressobj(31).decompress(body) if self.headers.get("content-encoding") == "gzip" else body

    @property
    def _final(self) -> tuple[bytes, bytes]:
        """Head and rest of the last response, without those of 1xx."""
        head, _, rest = self.raw.partition(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 1"):
            head, _, rest = rest.partition(b"\r\n\r\n")
        return head, rest


async def exchange(
    base_url: str,
    messages: list[Message] = ASK,
    *,
    stream: bool = True,
    path: str = "/v1/chat/completions",
    quiet_s: float = QUIET_S,
    within_s: float = 5.0,
    enough: int = 3_000_000,
    **more: Any,
) -> Taken:
    """Ask, and take what comes until the connection ends, is quiet, the body's framing says so, or there is enough."""
    host, _, port = base_url.split("/")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"model": "m", "messages": messages, "stream": stream, **more}).encode()
    writer.write(f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    raw = b""
    try:
        async with asyncio.timeout(within_s):
            while len(raw) < enough and not _framed_end(raw):
                async with asyncio.timeout(quiet_s):
                    data = await reader.read(65_536)
                if not data:
                    return Taken(raw, "closed")
                raw += data
    except TimeoutError:
        pass
    except ConnectionError:
        return Taken(raw, "reset")
    finally:
        writer.transport.abort()
    return Taken(raw, "open")


def events(body: bytes) -> list[str]:
    """The data of each event, read by the grammar's own rules."""
    text = body.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    blocks = [[line for line in block.split("\n") if line.startswith("data:")] for block in text.split("\n\n")]
    return ["\n".join(line[5:].removeprefix(" ") for line in block) for block in blocks if block]


def text_and_finish(body: bytes) -> tuple[str, str | None]:
    """The text of the first choice up to its finish reason, and that reason."""
    if body.lstrip().startswith(b"{"):
        choice = json.loads(body)["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]
    text = ""
    for data in events(body):
        chunk = {} if data == "[DONE]" else json.loads(data)
        for choice in chunk.get("choices") or []:
            if int(choice["index"]) == 0:
                text += choice["delta"].get("content") or ""
                if choice.get("finish_reason"):
                    return text, choice["finish_reason"]
    return text, None


def _framed_end(raw: bytes) -> bool:
    taken = Taken(raw, "open")
    if b"\r\n\r\n" not in raw or "content-length" not in taken.headers:
        return raw.endswith(b"\r\n0\r\n\r\n")
    return len(taken.body) >= int(taken.headers["content-length"])


def _unchunk(data: bytes) -> bytes:
    body = b""
    while data:
        size, found, rest = data.partition(b"\r\n")
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            return body
        if not found or length == 0:
            return body
        body += rest[:length]
        data = rest[length + 2 :]
    return body
