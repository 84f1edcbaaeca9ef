"""How a process that is run by hand ends."""

import asyncio
import signal


async def until_told_to_stop() -> None:
    """Return at the first SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
