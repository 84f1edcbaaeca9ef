"""One connection through a fault proxy: two pumps, and the way in which it ends."""

import asyncio
from contextlib import suppress
from random import Random
from typing import Literal

from yaoki.faults.link import Link
from yaoki.faults.pump import Ended, Fired, Pump
from yaoki.faults.raw_http import reset, send_at_once

_LINGER_S = 1.0
"""Seconds that a side which was cut gets to close, too: what it still sends is taken, else it would see a reset."""
_PIECE = 65_536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay:
    """Carries one connection; `run` it once.

    Args:
        client: The side that connected.
        target: The side that it wanted.
        rng: Decides on jitter and corruption.
        fired: Told of each thing that was done to the connection, and how often.

    Attributes:
        up: From the client to the target.
        down: From the target to the client.
    """

    def __init__(self, client: Streams, target: Streams, rng: Random, fired: Fired) -> None:
        self.up = Pump(client[0], target[1], rng, fired)
        self.down = Pump(target[0], client[1], rng, fired)
        self._sides = (client, target)
        self._fired = fired
        self._frozen = False
        self._told: asyncio.Future[Literal["cut", "reset"]] = asyncio.get_running_loop().create_future()
        for _, writer in self._sides:
            send_at_once(writer)

    def obey(self, link: Link) -> None:
        """From now on, do this to the connection."""
        if link.frozen and not self._frozen:
            self._fired("freeze", 1)
        self._frozen = link.frozen
        self.up.obey(link.up, frozen=link.frozen)
        self.down.obey(link.down, frozen=link.frozen)

    def end(self, how: Literal["cut", "reset"]) -> bool:
        """Cut or reset it now; returns whether there was still something to end."""
        if self._told.done():
            return False
        self._told.set_result(how)
        return True

    async def run(self) -> None:
        """Carry bytes until both directions, or the connection, have ended; then close both sockets.

        Cancellation closes them with a reset.
        """
        try:
            how = await self._ending()
            if how in ("cut", "reset"):
                self._fired(how, 1)
            if how == "cut":
                await asyncio.gather(*(_cut(*side) for side in self._sides))
            if how in ("cut", "end"):
                await asyncio.gather(*(_close(writer) for _, writer in self._sides))
        finally:
            for _, writer in self._sides:
                reset(writer)

    async def _ending(self) -> Ended:
        """How the connection is to end."""
        carrying = asyncio.create_task(self._carry(), name="a relay carries")
        try:
            await asyncio.wait({carrying, self._told}, return_when=asyncio.FIRST_COMPLETED)
            return self._told.result() if self._told.done() else carrying.result()
        finally:
            self._told.cancel()
            carrying.cancel()
            await asyncio.wait({carrying})

    async def _carry(self) -> Ended:
        pumps = {asyncio.create_task(pump.run(), name="a relay's pump") for pump in (self.up, self.down)}
        pending = pumps
        try:
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for pump in done:
                    if pump.result() not in ("end", "silent"):
                        return pump.result()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)
        return "end"


async def _cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Tell one side that the stream has ended, and wait until it has closed, too."""
    with suppress(OSError):  # it has left, or takes its time: either way it was told
        async with asyncio.timeout(_LINGER_S):
            writer.write_eof()
            while await reader.read(_PIECE):
                pass


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):  # it has left already, or does not take what is written
        async with asyncio.timeout(_LINGER_S):
            await writer.wait_closed()
