"""Deadlines pass for exactly those who are too late, in any order of beginnings and endings."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from tests.properties.looped import LoopedMachine
from yaoki.resilience import Guard, Timeout

TIMEOUT_S = 10.0


class TimeoutMachine(LoopedMachine):
    """Calls begin, end by themselves, are cancelled, or grow too old."""

    def __init__(self) -> None:
        super().__init__()
        self.timeout = Timeout(TIMEOUT_S, clock=self.clock)
        self.call = Guard("op", timeout=self.timeout, clock=self.clock).wrap(self.wait_for_end)
        self.ends: list[asyncio.Event] = []
        self.began: list[float] = []
        self.expected: dict[int, str] = {}

    async def wait_for_end(self, number: int) -> str:
        await self.ends[number].wait()
        return "ended"

    @rule(count=st.integers(1, 40))
    def start(self, count: int) -> None:
        for _ in range(count):
            self.ends.append(asyncio.Event())
            self.began.append(self.clock.now)
            self.start_task(self.call(len(self.tasks)))
        self.advance()

    @precondition(lambda self: self.running())
    @rule(data=st.data(), how=st.sampled_from(["ended", "cancelled"]))
    def end(self, data: st.DataObject, how: str) -> None:
        for number in data.draw(st.lists(st.sampled_from(self.running()), min_size=1, max_size=60, unique=True)):
            if how == "ended":
                self.ends[number].set()
            else:
                self.tasks[number].cancel()
            self.expected[number] = how
        self.advance()

    @rule(seconds=st.sampled_from([0.5, 3.0, TIMEOUT_S]))
    def wait(self, seconds: float) -> None:
        for number in self.running():
            if self.clock.now + seconds - self.began[number] >= TIMEOUT_S:
                self.expected[number] = "late"
        self.advance(seconds)

    @invariant()
    def each_is_what_it_should_be(self) -> None:
        for number, task in enumerate(self.tasks):
            assert task.done() == (number in self.expected)
            if task.done():
                assert self.outcome(task) == self.expected[number]
        open_now = len(self.running())
        assert repr(self.timeout) == f"<Timeout 10 s, {open_now} open>"
        assert len(self.timeout._queue) <= max(65, 2 * open_now + 1)
        assert self.clock.armed <= 1
        assert self.clock.armed == 1 or not open_now

    @staticmethod
    def outcome(task: "asyncio.Task[str]") -> str:
        if task.cancelled():
            return "cancelled"
        return "late" if isinstance(task.exception(), TimeoutError) else task.result()


TestTimeout = TimeoutMachine.TestCase
TestTimeout.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
