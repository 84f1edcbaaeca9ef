"""The chain: several candidates, one stream that never ends in a lie.

    for each try that `Selection` and the budget allow
        stream the candidate under its deadlines; show whole words as they come
        a finish reason       -> the answer is whole; tool calls are handed out only now
        anything else         -> drop what was not shown; the next candidate goes on from the last word shown
        a refused seam        -> the other candidates first; then, once, a restart from nothing

Framework-free: it knows deltas, upstreams and our errors.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from yaoki.errors import (
    AgentTurnBudgetSpentError,
    AIOrchestrationError,
    ModelAllFailedError,
    ModelMalformedError,
    ResourceBreakerOpenError,
)
from yaoki.llm.attempt import Answer, Attempt, Task
from yaoki.llm.budget import TurnBudget
from yaoki.llm.candidates import Candidate, Stake
from yaoki.llm.deltas import Failover, HalfAnswer, Item, Restart, ToolCall
from yaoki.llm.failures import refuses_request
from yaoki.llm.notices import AttemptFailed, FailedOver, FirstToken
from yaoki.llm.prober import Prober
from yaoki.llm.reader import Stragglers
from yaoki.llm.seam import SeamRefusedError
from yaoki.llm.selection import Choice, Selection
from yaoki.resilience.notices import Notices

_WARM_S = 30.0
_WARM_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class _Failure:
    candidate: Candidate
    error: AIOrchestrationError


class Chain:
    """Candidates in the order of preference; lives as long as the process and serves any number of answers at once.

    Args:
        candidates: At least one; the chain closes their upstreams.
        rng: Randomness of the backoff and of tool call ids.
        notices: Who is told of `AttemptFailed`, `FailedOver` and `FirstToken`.
    """

    def __init__(
        self, candidates: Sequence[Candidate], *, rng: random.Random | None = None, notices: Notices | None = None
    ) -> None:
        self.candidates = tuple(candidates)
        self.notices = notices or Notices()
        self.rng = rng or random.Random()  # noqa: S311 - jitter and ids, no secrets
        self.stragglers = Stragglers()
        self._prober = Prober(self.candidates)
        self._warming: asyncio.Task[None] | None = None

    def stream(
        self, request: Any, budget: TurnBudget, *, resume_text: str = "", hold_text: bool = False
    ) -> AsyncGenerator[Item, None]:
        """Answer `request`. Closing the generator ends what is under way and gives every permit back.

        Args:
            request: Opaque; handed to each upstream.
            budget: Every attempt draws from it.
            resume_text: An answer that was shown before a crash; it is continued, not repeated.
            hold_text: Show nothing before the answer is whole (for output that must parse).

        Yields:
            Text in whole words, reasoning, what happened to the stream, then tool calls, usage and one `Finish`.

        Raises:
            ModelAllFailedError: No candidate could answer; `facts["shown_chars"]` tells how much had been shown, and
                `facts["attempts"]` who failed of what.
            AgentTurnBudgetSpentError: The budget ended before anything was tried.
        """
        task = Task(request=request, budget=budget, hold_text=hold_text, stragglers=self.stragglers)
        return _Run(self, task, Answer(shown=resume_text if resume_text.strip() else "")).items()

    def warm(self) -> None:
        """Begin the background work; call it once.

        It learns what each backend honours, so that no half answer waits for it, and asks those that failed whether
        they are back, so that no person's request has to.
        """
        self._prober.start()
        self._warming = asyncio.get_running_loop().create_task(self._learn())

    async def aclose(self) -> None:
        """End the background work and close every upstream."""
        await self._prober.aclose()
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        await self.stragglers.aclose()
        for candidate in self.candidates:
            await candidate.upstream.aclose()

    async def _learn(self) -> None:
        pause_s = _WARM_PAUSE_S
        while any(candidate.unknown for candidate in self.candidates):
            await asyncio.gather(*(candidate.learn(_WARM_S) for candidate in self.candidates))
            await asyncio.sleep(pause_s)
            pause_s = min(_WARM_S * 20, pause_s * 2)


class _Run:
    """One answer on its way through the chain."""

    def __init__(self, chain: Chain, task: Task, answer: Answer) -> None:
        self._chain = chain
        self._task = task
        self._answer = answer
        self._selection = Selection(chain.candidates, chain.rng)
        self._failures: list[_Failure] = []
        self._done = False

    async def items(self) -> AsyncGenerator[Item, None]:
        """See `Chain.stream`."""
        while not self._done:
            choice = self._selection.next(self._task.budget.remaining_s)
            if choice is None:
                yield self._restart()
                continue
            half = await self._half(choice.candidate)
            if self._answer.shown and half is None:
                self._selection.refused(choice.candidate)
                continue
            await asyncio.sleep(choice.pause_s)
            stake = self._admit(choice)
            if stake is not None:
                async with aclosing(self._try(choice.candidate, stake, half)) as items:
                    async for item in items:
                        yield item

    async def _try(self, candidate: Candidate, stake: Stake, half: HalfAnswer | None) -> AsyncGenerator[Item, None]:
        """One attempt's items; a failure is taken down and ends them."""
        attempt = Attempt(candidate, stake, self._task, self._answer, half)
        try:
            for failover in self._failover(candidate):
                yield failover
            async with aclosing(attempt.items()) as items:
                async for item in items:
                    yield self._minted(item) if type(item) is ToolCall else item
            self._done = True
            if attempt.whole:
                self._task.budget.give_back()
            if attempt.excess is not None:
                self._tell_failure(candidate, attempt.excess)
        except SeamRefusedError as refusal:
            self._selection.refused(candidate)
            self._note(candidate, ModelMalformedError(str(refusal), fault="seam"))
        except AIOrchestrationError as error:
            self._take_down(candidate, half, error)
        finally:
            stake.void()
            self._tell_first_token(candidate, attempt)

    def _take_down(self, candidate: Candidate, half: HalfAnswer | None, error: AIOrchestrationError) -> None:
        """The candidate failed; a prefill that it refuses is asked for in another way instead."""
        refused = half is not None and half.mode == "prefill" and refuses_request(error)
        if not (refused and candidate.refuse_prefill()):
            self._selection.failed(candidate, error)
        self._note(candidate, error)

    async def _half(self, candidate: Candidate) -> HalfAnswer | None:
        if not self._answer.shown:
            return None
        mode = "instruction" if self._answer.calling else await candidate.continuation_mode()
        return HalfAnswer(self._answer.shown, mode, self._answer.calling) if mode else None

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
        """Nobody can go on from what was shown: begin again, once.

        Raises:
            ModelAllFailedError: There is nobody to begin again with, or it was done before.
        """
        if not self._answer.shown or self._answer.restarted or not self._selection.start_over():
            raise self._all_failed()
        self._answer.start_over()
        return Restart("no candidate could continue at a clean seam")

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
        return replace(call, call_id=f"call_{self._chain.rng.getrandbits(96):024x}")

    def _note(self, candidate: Candidate, error: AIOrchestrationError) -> None:
        self._failures.append(_Failure(candidate, error))
        self._tell_failure(candidate, error)

    def _tell_failure(self, candidate: Candidate, error: AIOrchestrationError) -> None:
        if self._chain.notices.wants(AttemptFailed):
            fault = str(error.facts.get("fault", error.kind))
            self._chain.notices.publish(AttemptFailed(candidate.name, error.kind, fault))

    def _tell_first_token(self, candidate: Candidate, attempt: Attempt) -> None:
        if attempt.first_token_s is not None and self._chain.notices.wants(FirstToken):
            self._chain.notices.publish(FirstToken(candidate.name, attempt.first_token_s))

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
