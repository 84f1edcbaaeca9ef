"""Carries the bytes of one direction of a connection, and does to them what its lane says.

Two halves with a line of pieces between them: one reads as long as the line is short, the other waits until the first
piece is due, and sends it. So bytes may be late without being slow, and memory stays bounded.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Literal

from yaoki.faults.link import Lane
from yaoki.resilience.clock import SYSTEM_CLOCK

_PIECE = 16_384
_HELD = 262_144
_TICK_S = 0.02
"""Under a bandwidth, the bytes of so many seconds are sent at once."""
_FAR = 2.0**62

Fired = Callable[[str, int], None]
Ended = Literal["end", "silent", "lost", "cut", "reset"]
"""How a direction ends: its source has ended, and the sink was told, or nobody was; one of the two has reset the
connection; or the lane wants the connection to be cut or reset."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one read brought: data, `b""` for the end, None for a reset. `luck`, 0 to 1, is its share of the jitter."""

    data: bytes | None
    read_at: float
    luck: float


class Pump:
    """One direction of one connection; `run` it once.

    Args:
        source: Where the bytes come from.
        sink: Where they go.
        rng: Decides on jitter and corruption. Which bytes are corrupted depends on it alone, not on how they arrive.
        fired: Told of each thing that was done to the bytes, and how often.

    Attributes:
        passed: Bytes that were passed on.
    """

    def __init__(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, rng: Random, fired: Fired) -> None:
        self.passed = 0
        self._source = source
        self._sink = sink
        self._luck = Random(rng.getrandbits(64))  # noqa: S311 - chance that can be played again
        self._noise = _Noise(Random(rng.getrandbits(64)))  # noqa: S311
        self._fired = fired
        self._lane = Lane()
        self._frozen = False
        self._silent = False
        self._line: deque[_Piece] = deque()
        self._held = 0
        self._free_at = 0.0
        self._changed = asyncio.Event()

    def obey(self, lane: Lane, *, frozen: bool) -> None:
        """From now on, do this to the bytes; also to those that are under way."""
        self._lane, self._frozen = lane, frozen
        self._free_at = 0.0
        self._change()

    async def run(self) -> Ended:
        """Carry bytes until something ends this direction, or the connection."""
        reading = asyncio.create_task(self._read(), name="a pump reads")
        sending = asyncio.create_task(self._send(), name="a pump sends")
        try:
            await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                reading.result()
            return await sending
        finally:
            for task in (reading, sending):
                task.cancel()
            await asyncio.wait({reading, sending})

    async def _read(self) -> None:
        """Fill the line, up to and with the end of the source."""
        data: bytes | None = b"-"
        while data:
            while self._frozen or self._held >= _HELD:
                await self._happens()
            try:
                data = await self._source.read(_PIECE)
            except OSError:
                data = None
            self._line.append(_Piece(data, SYSTEM_CLOCK.monotonic(), self._luck.random()))
            self._held += len(data or b"")
            self._change()

    async def _send(self) -> Ended:
        """Empty the line, until the end of the source or of the connection."""
        waited = False
        while not (ended := self._event()):
            late_s = self._late_s()
            if late_s is None or late_s > 0:
                waited = waited or late_s is not None
                await self._happens(late_s)
                continue
            if waited:
                self._fired("latency", 1)
                waited = False
            piece = self._line.popleft()
            self._held -= len(piece.data or b"")
            self._change()
            if not piece.data:
                return self._finish(piece)
            try:
                await self._pass(memoryview(piece.data))
            except OSError:
                return "lost"
        return ended

    async def _pass(self, rest: memoryview) -> None:
        """Send one piece, or as much of it as comes before the connection is hit."""
        while rest and not self._silent and not self._event():
            wait_s = None if self._frozen else self._free_at - SYSTEM_CLOCK.monotonic()
            if wait_s is None or wait_s > 0:
                await self._happens(wait_s)
                continue
            size = self._allowed(len(rest))
            self._sink.write(self._noisy(bytes(rest[:size])))
            await self._sink.drain()
            self.passed += size
            rest = rest[size:]

    def _finish(self, last: _Piece) -> Ended:
        if self._silent:
            return "silent"
        if last.data is None:
            return "lost"
        with suppress(OSError):  # the other side has just left: nobody is there to be told
            self._sink.write_eof()
        return "end"

    def _event(self) -> Ended | None:
        """What the lane has in store for a connection that has passed so many bytes; None if it goes on."""
        event = self._lane.next_event()
        if self._frozen or self._silent or event is None or self.passed < event[0]:
            return None
        if event[1] == "half_open":
            self._silent = True
            self._fired("half_open", 1)
            return None
        return event[1]

    def _late_s(self) -> float | None:
        """Seconds until the first piece may go on; None if nobody can tell yet."""
        if self._frozen or not self._line:
            return None
        piece, lane = self._line[0], self._lane
        delay_s = lane.latency_s + piece.luck * lane.jitter_s
        return piece.read_at + delay_s - SYSTEM_CLOCK.monotonic() if delay_s and not self._silent else 0.0

    def _allowed(self, size: int) -> int:
        """How many of `size` bytes may be sent now: up to the next event, and as the bandwidth has it."""
        event, rate = self._lane.next_event(), self._lane.bytes_per_s
        if event is not None:
            size = min(size, event[0] - self.passed)
        if rate is not None:
            size = min(size, max(1, int(rate * _TICK_S)))
            self._free_at = max(self._free_at, SYSTEM_CLOCK.monotonic()) + size / rate
            self._fired("bandwidth", 1)
        return size

    def _noisy(self, data: bytes) -> bytes:
        if not self._lane.corruption:
            return data
        noisy, flips = self._noise.add(data, self._lane.corruption)
        if flips:
            self._fired("corruption", flips)
        return noisy

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _happens(self, within_s: float | None = None) -> None:
        """Wait until anything has changed, for at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._changed.wait()


class _Noise:
    """Flips bits; the distance from one flip to the next is drawn, so that a low rate costs nothing."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._rate = 0.0
        self._spared = 0

    def add(self, data: bytes, rate: float) -> tuple[bytes, int]:
        """The data with noise, and how many bytes were hit."""
        if rate != self._rate:
            self._rate, self._spared = rate, self._distance(rate)
        noisy, flips = bytearray(data), 0
        while self._spared < len(noisy):
            noisy[self._spared] ^= 1 << self._rng.randrange(8)
            self._spared += 1 + self._distance(rate)
            flips += 1
        self._spared -= len(noisy)
        return bytes(noisy), flips

    def _distance(self, rate: float) -> int:
        """How many bytes are spared, when each is hit with this probability."""
        if rate >= 1:
            return 0
        return int(min(_FAR, math.log1p(-self._rng.random()) / math.log1p(-rate)))
