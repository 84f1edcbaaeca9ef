"""Deadlines of one duration, and the one timer they share."""

import asyncio

import pytest

from yaoki.errors import ConfigurationSettingError
from yaoki.resilience import Guard, Timeout
from yaoki.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def forever() -> None:
    await asyncio.Event().wait()


def limited(clock: FakeClock, timeout: Timeout, call: object = forever) -> "asyncio.Task[None]":
    return asyncio.create_task(Guard("op", timeout=timeout, clock=clock).wrap(call)())


async def test_each_call_ends_at_its_own_deadline_by_one_timer(clock: FakeClock) -> None:
    timeout = Timeout(10, clock=clock)
    first = limited(clock, timeout)
    await clock.advance(3)
    second = limited(clock, timeout)
    await clock.advance(0)
    assert clock.armed == 1
    assert repr(timeout) == "<Timeout 10 s, 2 open>"
    await clock.advance(7)
    assert (first.done(), second.done()) == (True, False)
    await clock.advance(3)
    for call in (first, second):
        with pytest.raises(TimeoutError, match="op took longer than 10 s"):
            await call
    assert clock.armed == 0


async def test_calls_that_end_in_time_leave_nothing_behind(clock: FakeClock) -> None:
    timeout = Timeout(10, clock=clock)
    old = timeout.begin()
    for _ in range(1000):
        timeout.end(timeout.begin())
    assert len(timeout._queue) <= 65, "the many that ended do not wait for the old one in front"
    timeout.end(old)
    timeout.end(timeout.begin())
    assert len(timeout._queue) == 0
    clock.move(10)
    assert clock.armed == 0


async def test_a_cancellation_from_outside_is_not_taken_for_a_timeout(clock: FakeClock) -> None:
    call = limited(clock, Timeout(10, clock=clock))
    await clock.advance(0)
    call.cancel()
    await clock.advance(10)
    assert call.cancelled()


async def test_a_cancellation_at_the_same_moment_wins(clock: FakeClock) -> None:
    call = limited(clock, Timeout(10, clock=clock))
    await clock.advance(0)
    clock.move(10)
    call.cancel()
    await clock.advance(0)
    assert call.cancelled()


async def test_a_call_that_finishes_in_spite_of_the_deadline_keeps_its_value(clock: FakeClock) -> None:
    async def stubborn() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            return "last words"
        return "never"

    call = limited(clock, Timeout(10, clock=clock), stubborn)
    await clock.advance(10)
    assert await call == "last words"
    assert call.cancelling() == 0


async def test_a_timeout_inside_a_timeout_belongs_to_the_one_that_passed(clock: FakeClock) -> None:
    inner = Guard("inner", timeout=Timeout(10, clock=clock), clock=clock).wrap(forever)
    outer = asyncio.create_task(Guard("outer", timeout=Timeout(5, clock=clock), clock=clock).wrap(inner)())
    await clock.advance(5)
    with pytest.raises(TimeoutError, match="outer took longer than 5 s"):
        await outer


async def test_an_error_of_the_call_while_it_is_interrupted_is_its_own(clock: FakeClock) -> None:
    async def clumsy() -> None:
        try:
            await forever()
        finally:
            raise ValueError("while cleaning up")

    call = limited(clock, Timeout(10, clock=clock), clumsy)
    await clock.advance(10)
    with pytest.raises(ValueError, match="while cleaning up"):
        await call
    assert call.cancelling() == 0


def test_it_serves_one_event_loop_after_another() -> None:
    clock = FakeClock()
    timeout = Timeout(10, clock=clock)
    for _ in range(2):

        async def once() -> None:
            call = limited(clock, timeout)
            await clock.advance(10)
            with pytest.raises(TimeoutError):
                await call

        asyncio.run(once())


def test_two_event_loops_at_once_both_have_their_deadlines() -> None:
    clock = FakeClock()
    timeout = Timeout(10, clock=clock)
    other = asyncio.new_event_loop()
    here = asyncio.new_event_loop()
    try:
        first = here.create_task(Guard("here", timeout=timeout, clock=clock).wrap(forever)())
        here.run_until_complete(asyncio.sleep(0))
        second = other.create_task(Guard("there", timeout=timeout, clock=clock).wrap(forever)())
        other.run_until_complete(asyncio.sleep(0))
        clock.move(10)
        for loop, call in ((here, first), (other, second)):
            with pytest.raises(TimeoutError):
                loop.run_until_complete(call)
    finally:
        here.close()
        other.close()


async def test_it_works_with_the_machines_clock() -> None:
    with pytest.raises(TimeoutError):
        await Guard("op", timeout=Timeout(0.01)).call(forever)


def test_a_timeout_must_be_above_zero() -> None:
    with pytest.raises(ConfigurationSettingError):
        Timeout(0)
