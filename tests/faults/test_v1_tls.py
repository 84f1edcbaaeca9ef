"""The base URL over TLS that breaks: a provider's fatal alert in the middle of an answer."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from tests.faults.harness import Server
from tests.faults.v1 import LONGEST_S, NOTHING_KEPT, ask
from yaoki.faults import ANSWER, ScriptedProvider

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

CERTIFICATE = Path(__file__).parent / "certificates" / "self_signed.crt"
_READ = 65_536
_NO_RECORD = b"\x17\x03\x03\x00\x20" + b"\x00" * 32
"""The head of a TLS record, and bytes that nobody has encrypted."""
_AT = 120
_MODELS = """
[models.first]
provider = "openai"
model = "first"
base_url = "{url}"
fallbacks = ["next"]
move_back_s = 0
[breakers.first]
threshold = 10000
[models.next]
provider = "openai"
model = "next"
base_url = "{next_url}"
[agents.default]
model = "first"
"""


@dataclass(slots=True)
class TlsLine:
    """A server's side of one TLS connection, its records in our hands."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    context: ssl.SSLContext
    incoming: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    outgoing: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    tls: ssl.SSLObject = field(init=False)

    def __post_init__(self) -> None:
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    async def shake_hands(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._more()
        await self._flush()

    async def read(self) -> bytes:
        while True:
            try:
                return self.tls.read(_READ)
            except ssl.SSLWantReadError:
                await self._more()

    async def write(self, data: bytes) -> None:
        self.tls.write(data)
        await self._flush()

    async def alert(self) -> None:
        """Have TLS itself give up: a record that cannot be read makes it send a fatal alert."""
        self.incoming.write(_NO_RECORD)
        with pytest.raises(ssl.SSLError, match=r"(?i)mac|decryption"):
            self.tls.read(_READ)
        assert self.outgoing.pending
        await self._flush()

    async def _more(self) -> None:
        await self._flush()
        raw = await self.reader.read(_READ)
        if not raw:
            raise ConnectionError("The client has left.")
        self.incoming.write(raw)

    async def _flush(self) -> None:
        self.writer.write(self.outgoing.read())
        await self.writer.drain()


@asynccontextmanager
async def alerting() -> AsyncIterator[tuple[str, list[bool]]]:
    """A provider that answers `_AT` characters and then sends a fatal alert: its address, and an item per alert."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_suffix(".key"))
    alerts: list[bool] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = TlsLine(reader, writer, context)
        try:
            await line.shake_hands()
            await line.read()
            await line.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
            for character in ANSWER[:_AT]:
                choice = {"index": 0, "delta": {"content": character}, "finish_reason": None}
                chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
                await line.write(f"data: {json.dumps(chunk)}\n\n".encode())
            await line.alert()
            alerts.append(True)
        except (ConnectionError, ssl.SSLError):
            pass  # the client left: whoever counts alerts will see it
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}/v1", alerts


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alerted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[httpx2.AsyncClient, list[bool]]]:
    async with AsyncExitStack() as stack:
        url, alerts = await stack.enter_async_context(alerting())
        other = await stack.enter_async_context(ScriptedProvider())
        models = _MODELS.format(url=url, next_url=other.base_url)
        server = Server(tmp_path_factory.mktemp("tls"), [], NOTHING_KEPT + models)
        stack.push_async_callback(server.kill)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("SSL_CERT_FILE", str(CERTIFICATE))
            await server.start()
        http = httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=LONGEST_S)
        yield await stack.enter_async_context(http), alerts


@pytest.mark.requirement("M12", "P-2", "P-3")
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_fatal_alert_in_the_middle_is_a_cut(
    alerted: tuple[httpx2.AsyncClient, list[bool]], *, streamed: bool
) -> None:
    http, alerts = alerted
    before = len(alerts)
    answer = await ask(http, "first", streamed=streamed)
    answer.assert_whole()
    assert answer.story["models"][-1] == "next"
    assert len(alerts) > before
