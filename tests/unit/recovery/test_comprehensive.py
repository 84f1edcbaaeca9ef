"""Everything recovers in the order of what stands on what."""

import asyncio

import pytest

from yaoki.errors import ConfigurationSettingError, ModelUnavailableError
from yaoki.recovery import AIRecoveryManager, ComprehensiveReport, RecoveryEnded, RecoveryReport
from yaoki.resilience import Notices
from yaoki.testing import FakeClock, Heard


class Part:
    def __init__(
        self, clock: FakeClock, name: str, *stands_on: str, takes_s: float = 1, fails: Exception | None = None
    ) -> None:
        self.name = name
        self.stands_on = stands_on
        self.clock = clock
        self.takes_s = takes_s
        self.fails = fails
        self.began: float | None = None

    async def recover(self) -> RecoveryReport:
        self.began = self.clock.now
        await self.clock.sleep(self.takes_s)
        if self.fails:
            raise self.fails
        return RecoveryReport(operation="x", kind=None, outcome="recovered", attempts=(), seconds=self.takes_s)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def recover(clock: FakeClock, *parts: Part, notices: Notices | None = None) -> ComprehensiveReport:
    manager = AIRecoveryManager(clock=clock, notices=notices)
    for part in parts:
        manager.register(part)
    task = asyncio.create_task(manager.trigger_comprehensive_recovery())
    await clock.advance(100)
    return await task


async def test_parts_begin_after_what_they_stand_on_and_beside_the_others(clock: FakeClock) -> None:
    notices = Notices()
    heard = Heard(notices, RecoveryEnded)
    channels = Part(clock, "channels", "sessions", "models")
    sessions = Part(clock, "sessions", "store", "hot tier", takes_s=2)
    models = Part(clock, "models", takes_s=5)
    store = Part(clock, "store", takes_s=1)
    report = await recover(clock, channels, sessions, models, store, notices=notices)
    assert [store.began, models.began, sessions.began, channels.began] == [0, 0, 1, 5]
    assert (report.outcome, report.seconds, report.failures) == ("recovered", 6, {})
    assert [part.operation for part in report.parts] == ["store", "sessions", "models", "channels"]
    assert [notice.manager for notice in heard.of(RecoveryEnded)] == ["store", "sessions", "models", "channels"]


async def test_what_stands_on_a_failed_part_is_not_begun_and_the_rest_goes_on(clock: FakeClock) -> None:
    sessions = Part(clock, "sessions", "store")
    report = await recover(
        clock,
        sessions,
        Part(clock, "store", fails=OSError("broken")),
        Part(clock, "models", fails=ModelUnavailableError("down", retry_after_s=30)),
        Part(clock, "channels"),
    )
    assert sessions.began is None
    assert report.outcome == "degraded"
    assert report.failures == {"OSError": ("store",), "model.unavailable": ("models",), "not_begun": ("sessions",)}
    assert "Recover store first." in report.next_steps
    assert "Try again in 30 s." in report.next_steps


async def test_nothing_recovered_is_a_failure(clock: FakeClock) -> None:
    report = await recover(clock, Part(clock, "store", fails=TypeError("bug")))
    assert (report.outcome, report.next_steps) == ("failed", ())


async def test_cancelling_it_cancels_every_part(clock: FakeClock) -> None:
    manager = AIRecoveryManager(clock=clock)
    manager.register(Part(clock, "store"))
    task = asyncio.create_task(manager.trigger_comprehensive_recovery())
    await clock.advance(0)
    task.cancel()
    await clock.advance(0)
    assert task.cancelled()
    assert clock.armed == 0


@pytest.mark.parametrize("names", [(("a",), ("a",)), (("a", "b"), ("b", "a"))])
async def test_a_circle_or_a_name_twice_is_refused(clock: FakeClock, names: tuple[tuple[str, ...], ...]) -> None:
    with pytest.raises(ConfigurationSettingError):
        await recover(clock, *(Part(clock, *name) for name in names))
