"""A state machine with an event loop of its own, whose clock the rules move."""

import asyncio
from collections.abc import Coroutine

from hypothesis.stateful import RuleBasedStateMachine

from yaoki.testing import FakeClock


class LoopedMachine(RuleBasedStateMachine):
    """Tasks run while the clock is advanced, and only then."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.tasks: list[asyncio.Task[object]] = []

    def start_task(self, coroutine: Coroutine[object, object, object]) -> None:
        self.tasks.append(self.loop.create_task(coroutine))

    def running(self) -> list[int]:
        return [number for number, task in enumerate(self.tasks) if not task.done()]

    def advance(self, seconds: float = 0.0) -> None:
        self.loop.run_until_complete(self.clock.advance(seconds))

    def finish(self, results: list[object]) -> None:
        """What must hold when every task has ended; those that were still running have been cancelled."""

    def teardown(self) -> None:
        try:
            self.finish(self.loop.run_until_complete(self._end_all()))
        finally:
            self.loop.close()

    async def _end_all(self) -> list[object]:
        for task in self.tasks:
            task.cancel()
        return list(await asyncio.gather(*self.tasks, return_exceptions=True))
