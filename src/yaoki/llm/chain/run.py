"""One answer on its way through the chain.

what became of an attempt                    what comes next
whole                                        the end
a failure                                    the next candidate, from the last word shown
a refused seam                               the other candidates; then, once, a restart from nothing
at its output limit, and it may go on        the same candidate, then the others; said to be cut off if nobody can
filtered, and another model is named for it  that model, from nothing; said to be filtered if it cannot
too long for every window                    the oldest turns are left out, and whoever refused is asked again
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from yaoki.errors import (
    AgentTurnBudgetSpentError,
    AIOrchestrationError,
    ModelAllFailedError,
    ModelContextOverflowError,
    ModelFilteredError,
    ModelMalformedError,
    ResourceBreakerOpenError,
)
from yaoki.llm.chain.attempt import Answer, Attempt, OutputLimitReachedError, Task
from yaoki.llm.chain.candidates import PARK_S, Candidate, Stake
from yaoki.llm.chain.hedging import Course, Lane, race
from yaoki.llm.chain.notices import AttemptFailed, FailedOver, FirstToken, MovedBack, Parked
from yaoki.llm.chain.reading_along import ReadingAlong
from yaoki.llm.chain.selection import Choice, Selection
from yaoki.llm.deltas import Compaction, Failover, Finish, HalfAnswer, Item, Restart, ToolCall
from yaoki.llm.failures import ANOTHER_KEY, refuses_request
from yaoki.llm.seams.seam import SeamRefusedError
from yaoki.resilience.notices import Notices

MAX_CONTINUATIONS = 4
"""How often an answer that reaches its output limit goes on at most."""


@dataclass(frozen=True, slots=True)
class _Failure:
    candidate: Candidate
    error: AIOrchestrationError


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainParts:
    """What all answers of one chain share; see `Chain` for each."""

    candidates: tuple[Candidate, ...]
    on_output_limit: Literal["say", "continue"]
    on_filter: Candidate | None
    rng: Random
    notices: Notices
    reading: ReadingAlong


class Run:
    """See `Chain.stream`, which makes it. `items` may be iterated once."""

    def __init__(self, chain: ChainParts, task: Task, answer: Answer) -> None:
        self._chain = chain
        self._opened = task.about.opened
        self._task = task
        self._answer = answer
        self._selection = Selection(chain.candidates, chain.rng)
        self._failures: list[_Failure] = []
        self._doubted: set[Candidate] = set()
        self._next: Candidate | None = None
        self._settled: Finish | None = None
        self._void: Restart | None = None
        self._continuations = 0
        self._before = 0
        self._done = False

    async def items(self) -> AsyncGenerator[Item, None]:
        """See `Chain.stream`."""
        if self._opened is not None:
            async with aclosing(self._try(self._opened.candidate, self._opened.stake, None)) as items:
                async for item in items:
                    yield item
        while not self._done:
            choice = self._choice()
            if choice is None:
                yield self._without_choice()
                continue
            half = await self._half(choice.candidate)
            if self._answer.shown and half is None:
                self._selection.refused(choice.candidate)
                continue
            if choice.pause_s:
                await asyncio.sleep(choice.pause_s)
            stake = self._admit(choice)
            if stake is not None:
                async with aclosing(self._try(choice.candidate, stake, half)) as items:
                    async for item in items:
                        yield item

    def _choice(self) -> Choice | None:
        """Who is tried next."""
        if self._settled and self._task.budget.spent:
            return None
        named, self._next = self._next, None
        if named is not None and named.healthy:
            return Choice(named)
        last = self._task.budget.attempts_left == 1
        if last and self._selection.may_begin_again and self._answer.shown and not self._answer.restarted:
            return None  # the last attempt is for whoever can only begin again
        return None if self._filtered else self._selection.next(self._task.budget.remaining_s)

    @property
    def _filtered(self) -> bool:
        """Whether only the model that is named for it may still answer."""
        return self._settled is not None and self._settled.reason == "content_filter"

    def _without_choice(self) -> Item:
        """Nobody is left to try as things stand.

        Raises:
            ModelAllFailedError: Nor is there another way.
        """
        if self._settled:
            self._done = True
            return self._settled
        return self._compaction() or self._restart()

    def _compaction(self) -> Compaction | None:
        """Ask less of those for whom it was too much, if there is something to leave out."""
        if self._task.about.shrink is None or not any(_is_overflow(failure) for failure in self._failures):
            return None
        shrunk = self._task.about.shrink()
        if shrunk is None or not self._selection.ask_again():
            return None
        request, left_out = shrunk
        self._task = replace(self._task, request=request)
        return Compaction(left_out)

    async def _try(self, candidate: Candidate, stake: Stake, half: HalfAnswer | None) -> AsyncGenerator[Item, None]:
        """One attempt's items; a failure is taken down and ends them."""
        attempt = Attempt(candidate, stake, self._task, self._answer, half, may_go_on=self._may_go_on())
        attempt.opened, self._opened = self._opened, None
        lane = Lane(candidate, stake, attempt)
        self._before = len(self._answer.shown)
        try:
            for failover in self._failover(candidate):
                yield failover
            standby = self._selection.standby(candidate)
            if standby is not None:
                self._chain.reading.begin(standby, self._task.request)
            async with aclosing(self._items(lane, half)) as items:
                async for item in items:
                    if self._void is not None:
                        yield self._void
                        self._void = None
                    yield self._minted(item) if type(item) is ToolCall else item
            self._finished(lane.candidate, lane.attempt)
        except SeamRefusedError as refusal:
            self._selection.refused(candidate)
            self._note(candidate, ModelMalformedError(str(refusal), fault="seam"))
        except OutputLimitReachedError:
            self._settled, self._next = Finish("length", lane.candidate.name), lane.candidate
            self._continuations += 1
        except ModelFilteredError as error:
            self._take_down(lane.candidate, None, error)
            self._go_elsewhere(lane.candidate)
        except AIOrchestrationError as error:
            self._take_down(lane.candidate, half, error)
        finally:
            lane.stake.void()
            self._measure(lane.candidate, lane.attempt)
            self._learn(lane, half)
        if not self._done and lane.attempt.used is not None:
            yield lane.attempt.used

    def _items(self, lane: Lane, half: HalfAnswer | None) -> AsyncGenerator[Item, None]:
        """The lane's items; where its first token may be late, those of whoever is faster."""
        if not lane.candidate.policy.hedge_share or half is not None or self._failures or self._settled:
            return lane.attempt.items()
        lane.candidate.hedging.earn()
        late_s = lane.candidate.health.tail_first_token_s
        if late_s is None:
            return lane.attempt.items()
        course = Course(
            late_s=late_s,
            task=self._task,
            answer=self._answer,
            selection=self._selection,
            notices=self._chain.notices,
            failed=self._one_failed,
        )
        return race(lane, course)

    def _one_failed(self, lane: Lane, error: AIOrchestrationError, other: Candidate) -> Iterator[Item]:
        """One of two failed; `other` goes on."""
        self._take_down(lane.candidate, None, error)
        self._measure(lane.candidate, lane.attempt)
        return self._failover(other)

    def _finished(self, candidate: Candidate, attempt: Attempt) -> None:
        self._done = True
        if attempt.whole:
            self._task.budget.give_back()
        if attempt.excess is not None:
            self._tell_failure(candidate, attempt.excess)

    def _may_go_on(self) -> bool:
        """Whether an answer that reaches its output limit is not at its end."""
        limited = self._chain.on_output_limit == "continue" and self._task.about.may_go_on and not self._task.hold_text
        return limited and self._continuations < MAX_CONTINUATIONS and self._task.budget.attempts_left > 0

    def _go_elsewhere(self, candidate: Candidate) -> None:
        """The provider's filter ended the answer: the model that is named for it begins again, once.

        What was shown stays until that model says something.
        """
        if self._chain.on_filter is None or self._filtered:
            return
        self._settled, self._next = Finish("content_filter", candidate.name), self._chain.on_filter
        if self._answer.shown:
            self._void = Restart("the provider's content policy ended the answer; another model gives one")
            self._answer.start_over()

    def _take_down(self, candidate: Candidate, half: HalfAnswer | None, error: AIOrchestrationError) -> None:
        """The candidate failed; with another key, asked in another way, or from nothing, it may answer yet."""
        another_key = bool(error.facts.get(ANOTHER_KEY))
        if half is not None and refuses_request(error):
            if half.mode == "prefill" and candidate.may_be_instructed:
                self._doubted.add(candidate)
            else:
                self._selection.refused(candidate)
        elif not another_key:
            self._selection.failed(candidate, error, progress=len(self._answer.shown) > self._before)
        self._note(candidate, error)
        if error.kind in PARK_S and self._chain.notices.wants(Parked):
            self._chain.notices.publish(Parked(candidate.name, error.kind, "key" if another_key else "model"))

    def _learn(self, lane: Lane, half: HalfAnswer | None) -> None:
        """Whoever refused a prefill, and takes the same request by instruction, honours none; else nothing is known."""
        took = half is not None and half.mode == "instruction" and lane.attempt.first_token_s is not None
        if took and lane.candidate in self._doubted:
            lane.candidate.refuse_prefill()

    async def _half(self, candidate: Candidate) -> HalfAnswer | None:
        if not self._answer.shown or self._answer.looped:
            return None
        instructed = self._answer.calling or candidate in self._doubted
        mode = "instruction" if instructed else await candidate.continuation_mode()
        if mode is None:
            return None
        return HalfAnswer(self._answer.shown, mode, self._answer.calling, proven=candidate.honours_prefill)

    def _admit(self, choice: Choice) -> Stake | None:
        """A stake in the candidate's breaker, paid for by the budget; None if others were faster."""
        try:
            stake = choice.candidate.admit(anyway=choice.anyway)
        except ResourceBreakerOpenError:
            if choice.anyway:
                self._selection.shut_out(choice.candidate)
            return None
        try:
            self._task.budget.spend_attempt()
        except AgentTurnBudgetSpentError as spent:
            stake.void()
            raise (self._all_failed() if self._failures else spent) from None
        return stake

    def _restart(self) -> Restart:
        """Nobody can go on from what was shown: begin again, once; and from each loop, which takes one model away.

        Raises:
            ModelAllFailedError: There is nobody to begin again with, or it was done before.
        """
        again = not self._answer.restarted or self._answer.looped
        if not (self._answer.shown and again and self._selection.start_over()):
            raise self._all_failed()
        looped = self._answer.looped
        self._answer.start_over()
        return Restart(
            "the model said the same words over and over" if looped else "no candidate could continue at a clean seam"
        )

    def _failover(self, candidate: Candidate) -> Iterator[Failover]:
        last = self._failures[-1] if self._failures else None
        if last is None or last.candidate is candidate:
            return
        mid_stream = bool(self._answer.shown)
        if self._chain.notices.wants(FailedOver):
            phase = "mid_stream" if mid_stream else "before_first_token"
            self._chain.notices.publish(FailedOver(last.candidate.name, candidate.name, phase))
        yield Failover(last.candidate.name, candidate.name, last.error.kind, mid_stream, len(self._answer.shown))

    def _minted(self, call: ToolCall) -> ToolCall:
        return replace(call, call_id=new_call_id(self._chain.rng))

    def _note(self, candidate: Candidate, error: AIOrchestrationError) -> None:
        self._failures.append(_Failure(candidate, error))
        self._tell_failure(candidate, error)

    def _tell_failure(self, candidate: Candidate, error: AIOrchestrationError) -> None:
        if self._chain.notices.wants(AttemptFailed):
            fault = str(error.facts.get("fault", error.kind))
            self._chain.notices.publish(AttemptFailed(candidate.name, error.kind, fault))

    def _measure(self, candidate: Candidate, attempt: Attempt) -> None:
        """Note how quick it was, also if it failed in the end."""
        notices = self._chain.notices
        if attempt.first_token_s is not None:
            note_pace(candidate, notices, attempt.first_token_s, attempt.chars, attempt.wrote_s)
        elif attempt.silent and candidate.health.silent():
            _tell_moved_back(candidate, notices)

    def _all_failed(self) -> ModelAllFailedError:
        waits = [wait_s for failure in self._failures if (wait_s := failure.error.retry_after_s)]
        waits += [wait_s for candidate in self._chain.candidates if (wait_s := candidate.breaker.retry_after_s)]
        failed = ModelAllFailedError(
            "None of the models could answer.",
            retry_after_s=min(waits, default=None),
            attempts=[{"model": failure.candidate.name, "kind": failure.error.kind} for failure in self._failures],
            shown_chars=len(self._answer.shown),
        )
        failed.__cause__ = self._failures[-1].error if self._failures else None
        return failed


def new_call_id(rng: Random) -> str:
    """An id of ours for a tool call: providers repeat theirs."""
    return f"call_{rng.getrandbits(96):024x}"


def note_pace(candidate: Candidate, notices: Notices, first_token_s: float, chars: int, wrote_s: float) -> None:
    """Take the measures of an answer, see `Health.answered`, and tell them."""
    slow = candidate.health.answered(first_token_s, chars, wrote_s)
    if notices.wants(FirstToken):
        notices.publish(FirstToken(candidate.name, first_token_s))
    if slow:
        _tell_moved_back(candidate, notices)


def _tell_moved_back(candidate: Candidate, notices: Notices) -> None:
    if notices.wants(MovedBack):
        notices.publish(MovedBack(candidate.name, candidate.health.back_s))


def _is_overflow(failure: _Failure) -> bool:
    return isinstance(failure.error, ModelContextOverflowError)
