"""The wall clock jumps under the server: deadlines, order and kept sessions do not care."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.faults.harness import FAILOVER_S, FIRST_TOKEN_S, Stage
from tests.faults.injectors.clocks import WallClock
from tests.faults.injectors.servers import PlacedStage
from yaoki.faults import ANSWER, Script
from yaoki.resilience.clock import SYSTEM_CLOCK

pytestmark = pytest.mark.slow

SLOW_TOKEN_S = 0.02
JUMPS = {"+1h": timedelta(hours=1), "-1h": timedelta(hours=-1), "+365d": timedelta(days=365)}


@contextlib.asynccontextmanager
async def under_a_clock(folder: Path, *scripts: Script) -> AsyncIterator[tuple[Stage, WallClock]]:
    clock = WallClock(folder / "clock")
    async with PlacedStage(folder, *scripts, environment=clock.environment) as stage:
        yield stage, clock


async def until_jumped(stage: Stage, session: str, jump: str) -> None:
    """Wait until what is written bears the time of the clock that jumped."""
    async with stage.settling():
        while abs(await written_at(stage, session) - datetime.now(UTC) - JUMPS[jump]) > timedelta(minutes=1):
            await stage.tick()


async def written_at(stage: Stage, session: str) -> datetime:
    return datetime.fromisoformat((await stage.http.get(f"/ai/sessions/{session}")).json()["updated_at"])


@pytest.mark.requirement("S11", "P-3")
async def test_jumps_during_an_answer_change_nothing_of_it(tmp_path: Path) -> None:
    async with under_a_clock(tmp_path, Script(token_s=SLOW_TOKEN_S), Script()) as (stage, clock):
        for jump in JUMPS:
            page = await stage.ask()
            await page.until_text(30)
            clock.set(jump)
            assert page.terminals == [], "the jump came while the answer was being written"
            await until_jumped(stage, page.session, jump)
            await page.until_ended()
            page.assert_whole(ANSWER)
            assert page.marks("failover") == []
            places = [int(frame.id.partition(":")[2].partition(".")[0]) for frame in page.frames if frame.id]
            assert places == sorted(places)


@pytest.mark.requirement("S11", "M9")
async def test_deadlines_are_met_over_jumps(tmp_path: Path) -> None:
    silent = [Script(fault="never_answers") for _ in JUMPS]
    async with under_a_clock(tmp_path, *silent, Script()) as (stage, clock):
        page = await stage.ask()
        for jump, provider in zip(JUMPS, stage.providers, strict=False):
            await provider.until(lambda it: len(it.asked) == 1)
            began = SYSTEM_CLOCK.monotonic()
            clock.set(jump)
            left = len(page.marks("failover"))
            await page.until(
                lambda it, left=left: len(it.marks("failover")) > left, within_s=FIRST_TOKEN_S + FAILOVER_S
            )
            assert SYSTEM_CLOCK.monotonic() - began >= FIRST_TOKEN_S / 2
        await page.until_ended()
        page.assert_whole(ANSWER)
        await until_jumped(stage, page.session, jump)


@pytest.mark.requirement("S11")
async def test_a_start_in_a_year_that_is_not_here_yet_erases_nobody(tmp_path: Path) -> None:
    async with under_a_clock(tmp_path, Script()) as (stage, clock):
        page = await stage.ask()
        await page.until_ended()
        clock.set("+365d")
        await stage.server.restart()
        shown = parsedate_to_datetime((await stage.http.get("/livez")).headers["date"])
        assert shown - datetime.now(UTC) > timedelta(days=360)
        async with stage.settling():
            while "The clock leapt by 365" not in stage.server.log:
                await stage.tick()
        assert (await stage.history(page.session))["messages"][-1]["content"] == ANSWER
        clock.set("+0")
        await stage.server.restart()
        assert (await stage.history(page.session))["messages"][-1]["content"] == ANSWER
