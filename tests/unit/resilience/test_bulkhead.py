"""The bulkhead."""

import asyncio
import threading

import pytest

from yaoki.errors import ConfigurationSettingError, ResourceBulkheadFullError
from yaoki.resilience import Bulkhead, BulkheadPolicy, BulkheadRejected, Notices
from yaoki.testing import FakeClock, Heard


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def make(clock: FakeClock, concurrent: int = 1, queued: int = 10, notices: Notices | None = None) -> Bulkhead:
    policy = BulkheadPolicy(max_concurrent=concurrent, max_queued=queued, queue_timeout_s=5)
    return Bulkhead("dep", policy, clock=clock, notices=notices)


async def test_a_cancelled_caller_in_line_leaks_no_slot(clock: FakeClock) -> None:
    bulkhead = make(clock)
    assert bulkhead.try_enter()
    waiting = asyncio.create_task(bulkhead.enter())
    await clock.advance(0)
    assert (bulkhead.in_use, bulkhead.queued) == (1, 1)
    waiting.cancel()
    await clock.advance(0)
    bulkhead.leave()
    assert (bulkhead.in_use, bulkhead.queued, clock.armed) == (0, 0, 0)
    assert bulkhead.try_enter()


async def test_a_slot_that_comes_at_the_moment_of_cancellation_goes_to_the_next(clock: FakeClock) -> None:
    bulkhead = make(clock)
    assert bulkhead.try_enter()
    first, second = asyncio.create_task(bulkhead.enter()), asyncio.create_task(bulkhead.enter())
    await clock.advance(0)
    bulkhead.leave()
    first.cancel()
    await clock.advance(0)
    assert first.cancelled()
    assert second.done()
    assert bulkhead.in_use == 1
    bulkhead.leave()
    assert bulkhead.in_use == 0


async def test_the_line_is_first_in_first_out_and_nobody_overtakes(clock: FakeClock) -> None:
    bulkhead = make(clock)
    assert bulkhead.try_enter()
    order: list[int] = []

    async def caller(number: int) -> None:
        await bulkhead.enter()
        order.append(number)

    tasks = [asyncio.create_task(caller(number)) for number in range(3)]
    await clock.advance(0)
    bulkhead.leave()
    assert not bulkhead.try_enter()
    for _ in range(2):
        await clock.advance(0)
        bulkhead.leave()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2]


async def test_a_full_line_refuses_at_once_and_says_so(clock: FakeClock) -> None:
    notices = Notices()
    heard = Heard(notices, BulkheadRejected)
    bulkhead = make(clock, queued=0, notices=notices)
    await bulkhead.enter()
    with pytest.raises(ResourceBulkheadFullError) as refused:
        await bulkhead.enter()
    assert refused.value.facts == {"bulkhead": "dep", "reason": "queue_full"}
    assert heard.notices == [BulkheadRejected(name="dep", reason="queue_full")]
    assert bulkhead.rejected == 1


async def test_nobody_waits_longer_than_the_queue_timeout(clock: FakeClock) -> None:
    bulkhead = make(clock)
    await bulkhead.enter()
    waiting = asyncio.create_task(bulkhead.enter())
    await clock.advance(4.9)
    assert not waiting.done()
    await clock.advance(0.1)
    with pytest.raises(ResourceBulkheadFullError, match="queue timeout"):
        await waiting
    bulkhead.leave()
    assert (bulkhead.in_use, bulkhead.queued, bulkhead.rejected) == (0, 0, 1)


async def test_a_caller_cancelled_after_the_timeout_is_cancelled_and_holds_nothing(clock: FakeClock) -> None:
    bulkhead = make(clock)
    await bulkhead.enter()
    waiting = asyncio.create_task(bulkhead.enter())
    await clock.advance(0)
    clock.move(5)
    waiting.cancel()
    await clock.advance(0)
    assert waiting.cancelled()
    bulkhead.leave()
    assert bulkhead.in_use == 0


async def test_more_room_lets_the_line_in(clock: FakeClock) -> None:
    bulkhead = make(clock)
    await bulkhead.enter()
    waiting = [asyncio.create_task(bulkhead.enter()) for _ in range(3)]
    await clock.advance(0)
    bulkhead.adopt(BulkheadPolicy(max_concurrent=3))
    await clock.advance(0)
    assert [task.done() for task in waiting] == [True, True, False]
    bulkhead.adopt(BulkheadPolicy(max_concurrent=1))
    for _ in range(2):
        bulkhead.leave()
    await clock.advance(0)
    assert not waiting[2].done()
    bulkhead.leave()
    await waiting[2]
    assert repr(bulkhead) == "<Bulkhead dep 1/1 in use, 0/100 queued, 0 rejected>"


async def test_a_slot_freed_in_a_thread_wakes_the_line_of_an_event_loop(clock: FakeClock) -> None:
    bulkhead = make(clock)
    bulkhead.enter_now()
    first, second = asyncio.create_task(bulkhead.enter()), asyncio.create_task(bulkhead.enter())
    await clock.advance(0)
    await asyncio.to_thread(bulkhead.leave)
    await first
    assert bulkhead.in_use == 1
    other = threading.Thread(target=bulkhead.leave)
    other.start()
    other.join()
    second.cancel()
    await clock.advance(0)
    assert (bulkhead.in_use, bulkhead.queued) == (0, 0), "handed over in one thread, cancelled in the other"


def test_the_line_of_a_loop_that_ended_is_passed_over(clock: FakeClock) -> None:
    bulkhead = make(clock)
    bulkhead.enter_now()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(bulkhead.enter())
    loop.run_until_complete(clock.advance(0))
    assert bulkhead.queued == 1
    loop.close()
    bulkhead.leave()
    assert (bulkhead.in_use, bulkhead.queued) == (0, 0)
    waiting._log_destroy_pending = False


@pytest.mark.parametrize("wrong", [{"max_concurrent": 0}, {"max_queued": -1}, {"queue_timeout_s": 0}])
def test_a_policy_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationSettingError):
        BulkheadPolicy(**wrong)
