"""A first token that is late: the next candidate is asked, too, and the first of the two to say anything answers.

    late       later than 95 in 100 of this candidate's last first tokens, once enough of them are known
    how often  a share of the calls, see `Allowance`
    only       for the first attempt at an answer, before anything was shown or has failed: later ones are rare, and who
               is asked then is the one that a hedge would start
    who        the next candidate that is healthy and not slow for itself; never past a breaker or a rest
    cost       an attempt, handed back by whoever is slower, and a prompt, counted as an estimate

Nothing but models' time is at stake: a call of a model has no side effects, and its tools run only once its whole
response is there. With a share of 0.0, which is the default, nothing of this is made.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass

from yaoki.errors import AgentTurnBudgetSpentError, AIOrchestrationError, ResourceBreakerOpenError
from yaoki.llm.chain.attempt import Answer, Attempt, Task
from yaoki.llm.chain.candidates import Candidate, Stake
from yaoki.llm.chain.notices import Hedged, MovedBack
from yaoki.llm.chain.selection import Selection
from yaoki.llm.deltas import Item
from yaoki.resilience.notices import Notices


@dataclass(slots=True)
class Lane:
    """One attempt: whose it is, and its stake."""

    candidate: Candidate
    stake: Stake
    attempt: Attempt

    def become(self, other: "Lane") -> None:
        """`other` was faster."""
        self.candidate, self.stake, self.attempt = other.candidate, other.stake, other.attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a race goes by.

    Attributes:
        late_s: Seconds until the second candidate is asked.
        failed: Takes down that one of two failed before it said anything; returns what is said about it.
    """

    late_s: float
    task: Task
    answer: Answer
    selection: Selection
    notices: Notices
    failed: Callable[[Lane, AIOrchestrationError, Candidate], Iterator[Item]]

    def second(self, first: Lane) -> Lane | None:
        """Ask the next candidate; None if nobody may be asked, or enough were."""
        candidate = self.selection.hedge(first.candidate)
        if candidate is None or self.task.budget.spent or not first.candidate.hedging.take():
            return None
        try:
            stake = candidate.admit(anyway=False)
        except ResourceBreakerOpenError:
            return None
        try:
            self.task.budget.spend_attempt()
        except AgentTurnBudgetSpentError:
            stake.void()
            return None
        return Lane(candidate, stake, Attempt(candidate, stake, self.task, self.answer, None))

    def left(self, slower: Lane, faster: Lane, late: Candidate) -> Iterator[Item]:
        """One was slower: its stake is void, its attempt is free again, and what it cost is counted.

        The wait of a late one counts, as long as it was: a measure of those that were waited for would know no tail.
        """
        slower.stake.void()
        self.task.budget.give_back()
        slow = slower.candidate is late and late.health.answered(slower.attempt.waited_s, 0, 0.0)
        if slow and self.notices.wants(MovedBack):
            self.notices.publish(MovedBack(late.name, late.health.back_s))
        if self.notices.wants(Hedged):
            other = faster.candidate if slower.candidate is late else slower.candidate
            self.notices.publish(Hedged(late.name, other.name, faster.candidate.name))
        if slower.attempt.first_token_s is None:
            yield slower.attempt.unheard()


async def race(lane: Lane, course: Course) -> AsyncGenerator[Item, None]:
    """The items of `lane`, or of a second one that was faster: from its first item on, `lane` is the faster one.

    Closing it, at any time, closes both requests and voids their stakes.

    Raises:
        ModelInferenceError: As `Attempt.items`; of two, the one that failed last.
    """
    news, late = asyncio.Event(), asyncio.Event()
    first = lane.candidate
    runners = [_Runner(Lane(lane.candidate, lane.stake, lane.attempt), news)]
    running = list(runners)
    timer = asyncio.get_running_loop().call_later(course.late_s, lambda: (late.set(), news.set()))
    try:
        while (ahead := _ahead(running)) is None:
            await news.wait()
            news.clear()
            for runner, failure in _fallen(running):
                running.remove(runner)
                told = course.failed(runner.lane, failure, running[0].lane.candidate)
                for item in told if runner is runners[0] else ():
                    yield item
            if late.is_set() and len(runners) == 1 and _ahead(running) is None:
                late.clear()
                second = course.second(lane)
                running += [_Runner(second, news)] if second is not None else []
                runners = runners + running[1:]
        lane.become(ahead.lane)
        for runner in running:
            if runner is not ahead:
                runner.task.cancel()
                for item in course.left(runner.lane, lane, first):
                    yield item
        yield await ahead.task
        async for item in ahead.items:
            yield item
    finally:
        timer.cancel()
        for runner in runners:
            await runner.aclose()


class _Runner:
    """An attempt under way up to its first item; it tells when it is alive, or over."""

    def __init__(self, lane: Lane, news: asyncio.Event) -> None:
        self.lane = lane
        self.items = lane.attempt.items()
        lane.attempt.on_life = news.set
        self.task = asyncio.create_task(self._first(), name=f"first token of {lane.candidate.name}")
        self.task.add_done_callback(lambda _: news.set())

    @property
    def failure(self) -> AIOrchestrationError | None:
        """Why it is over without an item, where that is a failure that the chain knows."""
        error = self.task.exception() if self.task.done() and not self.task.cancelled() else None
        return error if isinstance(error, AIOrchestrationError) else None

    async def aclose(self) -> None:
        """End its request."""
        self.lane.stake.void()
        if not self.task.done():
            self.task.cancel()
            await asyncio.wait({self.task})
        if not self.task.cancelled():
            self.task.exception()  # seen: it was raised to whoever waited, or nobody does any more
        await self.items.aclose()

    async def _first(self) -> Item:
        return await anext(self.items)


def _ahead(running: list[_Runner]) -> _Runner | None:
    """Who answers: the first that is alive, or whoever is left."""
    over = [runner for runner in running if runner.task.done() or runner.lane.attempt.first_token_s is not None]
    return next((runner for runner in over if runner.failure is None or len(running) == 1), None)


def _fallen(running: list[_Runner]) -> list[tuple[_Runner, AIOrchestrationError]]:
    """Who failed, as long as somebody is left."""
    fallen = [(runner, runner.failure) for runner in running]
    return [(runner, failure) for runner, failure in fallen if failure is not None][: len(running) - 1]
