"""What open links cost: memory while nothing happens, and how much longer others wait for an acknowledgement.

The server is a real process, held to one core; this one and the scripted provider have the rest.
"""

import asyncio
import os
import resource
import statistics
import struct
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from bench.figures import Bound
from tests.faults.harness import Stage
from tests.unit.api.links import linked
from yaoki.faults import Script
from yaoki.resilience.clock import SYSTEM_CLOCK

MEASURED_LINKS = 500
WARM_LINKS = 50
IDLE_LINKS = 5_000
TALKING = 50
FEW_TALKING = 4
MESSAGES = 5
TOKEN_S = 0.05
ANSWER_S = 4.0
KB_PER_LINK = 60.0
TIMES_IDLE = 10.0
LIMITS = {"heartbeat_s": 5.0, "max_streams": 20_000, "max_streams_per_owner": 20_000, "max_requests": 20_000}
DIALLING_AT_ONCE = 50
MASK = bytes(4)


def figures() -> Iterator[Bound]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * IDLE_LINKS), hard))
    with TemporaryDirectory(prefix="yaoki-bench-") as folder:
        yield from asyncio.run(_measured(Path(folder)))


async def _measured(folder: Path) -> list[Bound]:
    async with Stage(folder, Script(token_s=TOKEN_S), limits=LIMITS) as stage:
        os.sched_setaffinity(stage.server.pid, {0})
        session = await stage.session()
        async with _idle(stage, session, WARM_LINKS):
            pass
        before = stage.server.process.memory_info().rss
        async with _idle(stage, session, MEASURED_LINKS):
            await asyncio.sleep(LIMITS["heartbeat_s"] * 2.5)  # pings and heartbeats have been there, too
            kb = (stage.server.process.memory_info().rss - before) / MEASURED_LINKS / 1024
        alone = _p95_ms(await _acknowledgements(stage, talking=FEW_TALKING))
        async with _idle(stage, session, IDLE_LINKS):
            crowded = _p95_ms(await _acknowledgements(stage, talking=TALKING))
    return [
        Bound(name=f"memory of an idle link (RSS), of {MEASURED_LINKS}", value=kb, unit="KB", limit=KB_PER_LINK),
        Bound(
            name=f"acknowledgement of a message, p95, one core: {TALKING} sessions talk, {IDLE_LINKS} links idle",
            value=crowded,
            unit="ms",
            limit=alone * TIMES_IDLE,
            reference=f"{FEW_TALKING} sessions talk, and nothing else",
            reference_value=alone,
        ),
    ]


async def _acknowledgements(stage: Stage, talking: int) -> list[float]:
    """Seconds from a message to its acknowledgement; each session sends the next one after the last answer."""

    async def talk(place: int) -> list[float]:
        waits: list[float] = []
        await asyncio.sleep(ANSWER_S * place / talking)  # people do not all begin at once
        async with linked(stage.server.port, await stage.session()) as peer:
            for number in range(MESSAGES):
                began = SYSTEM_CLOCK.monotonic()
                await peer.say({"type": "message", "id": f"u{number}", "content": "How many ships?"})
                ended = False
                while not ended:
                    [frame] = await peer.take(1)
                    if frame.get("type") == "accepted":
                        waits.append(SYSTEM_CLOCK.monotonic() - began)
                    ended = frame.get("event", {}).get("type") == "RUN_FINISHED"
        return waits

    return [wait_s for waits in await asyncio.gather(*(talk(place) for place in range(talking))) for wait_s in waits]


def _p95_ms(waits_s: list[float]) -> float:
    return statistics.quantiles(waits_s, n=20, method="inclusive")[-1] * 1e3


@asynccontextmanager
async def _idle(stage: Stage, session: str, count: int) -> AsyncGenerator[None]:
    """So many links on which nobody says anything."""
    async with AsyncExitStack() as links:
        for _ in range(0, count, DIALLING_AT_ONCE):
            loop = asyncio.get_running_loop()
            dialled = [
                loop.create_connection(lambda: IdleLink(session), "127.0.0.1", stage.server.port)
                for _ in range(DIALLING_AT_ONCE)
            ]
            for transport, link in await asyncio.gather(*dialled):
                links.callback(transport.abort)
                await link.open
        yield


class IdleLink(asyncio.Protocol):
    """A link that answers pings, and throws everything else away."""

    def __init__(self, session: str) -> None:
        self.open = asyncio.get_running_loop().create_future()
        self._session = session
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            f"GET /ai/sessions/{self._session}/ws HTTP/1.1\r\n"
            "Host: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.open.done() and b"\r\n\r\n" in self._buffer:
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            if b" 101 " not in head.splitlines()[0]:
                raise RuntimeError(head.decode())
            self.open.set_result(None)
        while self.open.done() and (frame := self._frame()) is not None:
            opcode, payload = frame
            if opcode == 9:
                self._transport.write(struct.pack("!BB", 0x8A, 0x80 | len(payload)) + MASK + payload)

    def _frame(self) -> tuple[int, bytes] | None:
        """The next whole frame of the server; its frames are not masked."""
        if len(self._buffer) < 4:
            return None
        size, start = self._buffer[1], 2
        if size == 126:
            size, start = struct.unpack("!H", self._buffer[2:4])[0], 4
        if len(self._buffer) < start + size:
            return None
        opcode, payload = self._buffer[0] & 0x0F, self._buffer[start : start + size]
        self._buffer = self._buffer[start + size :]
        return opcode, payload
