"""The watchdog of the event loop."""

import asyncio
import logging
import time

import pytest

from yaoki.monitoring.loop_watchdog import LoopStalled, LoopWatchdog
from yaoki.resilience.notices import Notices


def hold_the_loop(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.mark.requirement("P8")
async def test_a_stalled_loop_is_told_with_the_stack_that_holds_it(caplog: pytest.LogCaptureFixture) -> None:
    told: asyncio.Queue[LoopStalled] = asyncio.Queue()
    notices = Notices()
    notices.subscribe(LoopStalled, told.put_nowait)
    with caplog.at_level(logging.ERROR), LoopWatchdog(notices, stall_s=0.4):
        await asyncio.sleep(0)
        hold_the_loop(1.2)
        async with asyncio.timeout(20):
            stalled = await told.get()
    assert "hold_the_loop" in stalled.stack
    assert 1.0 < stalled.seconds < 3.0
    assert "hold_the_loop" in caplog.text


async def test_a_busy_but_responsive_loop_is_no_stall(caplog: pytest.LogCaptureFixture) -> None:
    with LoopWatchdog(Notices(), stall_s=2.0) as watchdog:
        for _ in range(20):
            hold_the_loop(0.01)
            await asyncio.sleep(0)
        assert watchdog.lag_s < 2.0
    assert "stuck" not in caplog.text
