"""The chain: several candidates, one stream that never ends in a lie.

    for each attempt the budget allows
        pick the next candidate whose breaker admits it (if none does: the first, since failing fast helps nobody)
        stream it under a first-token and an idle deadline; show whole words as they come
        a finish reason          -> the answer is whole; tool calls are handed out only now
        anything else that ends  -> drop what was not shown; the next candidate continues from the last word shown
        a refused seam           -> the other candidates first; then, once, a restart from nothing

Framework-free: it knows deltas, upstreams and our errors.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from yaoki.errors import (
    AgentTurnBudgetSpentError,
    AIOrchestrationError,
    ModelAllFailedError,
    ModelEmptyError,
    ModelMalformedError,
    ModelTimeoutError,
    ModelTruncatedError,
    ResourceBreakerOpenError,
)
from yaoki.errors import Fault as Blame
from yaoki.llm.budget import TurnBudget
from yaoki.llm.deltas import (
    Continuation,
    ContinuationMode,
    Delta,
    Failover,
    Finish,
    Item,
    Reasoning,
    Restart,
    Text,
    ToolCall,
    Upstream,
    Usage,
)
from yaoki.llm.seam import Seam, SeamRefusedError, WordGate
from yaoki.resilience.breaker import CircuitBreaker, Permit, Verdict

_CHARS_PER_TOKEN = 8
_MAX_BLANKS = 2_000
_BACKOFF_S = 0.25
_MAX_BACKOFF_S = 5.0
_CLOSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatePolicy:
    """What is expected of one candidate.

    Attributes:
        first_token_timeout_s: Seconds until the first sign of life.
        idle_timeout_s: Seconds between two signs of life.
        max_output_tokens: Where an answer is ended, and said to be.
        continuation: prefill, instruction, off, or auto: prefill where a probe shows that it is honoured.
    """

    first_token_timeout_s: float = 10.0
    idle_timeout_s: float = 5.0
    max_output_tokens: int = 4096
    continuation: str = "auto"


@dataclass(slots=True)
class Candidate:
    """One model that may answer. Lives as long as the process; its breaker remembers."""

    name: str
    upstream: Upstream
    breaker: CircuitBreaker
    policy: CandidatePolicy = field(default_factory=CandidatePolicy)
    _honours_prefill: bool | None = None

    async def continuation_mode(self) -> ContinuationMode | None:
        """How to ask this candidate to go on; None if it should not be asked. Probes once under `auto`."""
        match self.policy.continuation:
            case "prefill":
                return "prefill"
            case "instruction":
                return "instruction"
            case "off":
                return None
            case _:
                if self._honours_prefill is None:
                    self._honours_prefill = await self._probe()
                return "prefill" if self._honours_prefill else "instruction"

    async def _probe(self) -> bool:
        text = ""
        try:
            async with asyncio.timeout(self.policy.first_token_timeout_s), aclosing(self.upstream.probe()) as deltas:
                async for delta in deltas:
                    text += delta.text if isinstance(delta, Text) else ""
                    if len(text) > len(" Paris"):
                        break
        except (AIOrchestrationError, TimeoutError):
            return False
        return text.lstrip().startswith("Paris")


@dataclass(slots=True)
class _Answer:
    """The one answer that the attempts write together."""

    shown: str = ""
    gap: str = ""
    whole: bool = True
    restarted: bool = False


class Chain:
    """Candidates in the order of preference.

    Args:
        candidates: At least one.
        rng: Randomness of the backoff.
    """

    def __init__(self, candidates: Sequence[Candidate], *, rng: random.Random | None = None) -> None:
        self.candidates = tuple(candidates)
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret

    async def stream(
        self, request: Any, budget: TurnBudget, *, resume_text: str = "", hold_text: bool = False
    ) -> AsyncGenerator[Item, None]:
        """Answer `request`.

        Args:
            request: Opaque; handed to each upstream.
            budget: Every attempt draws from it.
            resume_text: An answer that was shown before a crash; it is continued, not repeated.
            hold_text: Show nothing before the answer is whole (for output that must parse).

        Yields:
            Text in whole words, reasoning, the chain's own notices, then tool calls, usage and one `Finish`.

        Raises:
            ModelAllFailedError: No candidate could answer; `facts["shown_chars"]` tells what had been shown.
            AgentTurnBudgetSpentError: The budget ended first.
        """
        answer = _Answer(shown=resume_text)
        failures: list[tuple[Candidate, AIOrchestrationError]] = []
        refused: set[str] = set()
        previous: Candidate | None = None
        while True:
            candidate = await self._next(failures, refused, budget, answer)
            if candidate is None and answer.shown and refused and not answer.restarted:
                answer.shown, answer.gap, answer.whole, answer.restarted = "", "", True, True
                refused.clear()
                yield Restart("no candidate could continue at a clean seam")
                candidate = failures[-1][0] if failures else self.candidates[0]
            if candidate is None:
                raise self._all_failed(failures, answer)
            try:
                budget.spend_attempt()
            except AgentTurnBudgetSpentError as spent:
                raise self._all_failed(failures, answer) if failures else spent
            if previous is not None and failures:
                yield Failover(
                    previous.name, candidate.name, failures[-1][1].kind, bool(answer.shown), len(answer.shown)
                )
            previous = candidate
            try:
                async with aclosing(self._attempt(candidate, request, budget, answer, hold_text)) as items:
                    async for item in items:
                        yield item
                return
            except SeamRefusedError as error:
                refused.add(candidate.name)
                failures.append((candidate, ModelMalformedError(str(error), fault="seam")))
            except AIOrchestrationError as error:
                failures.append((candidate, error))

    async def _attempt(
        self, candidate: Candidate, request: Any, budget: TurnBudget, answer: _Answer, hold_text: bool
    ) -> AsyncGenerator[Item, None]:
        """One candidate's try at (the rest of) the answer."""
        mode = await candidate.continuation_mode() if answer.shown else None
        if answer.shown and mode is None:
            raise SeamRefusedError("this candidate does not continue")
        permit = _admit(candidate.breaker)
        verdict = Verdict.IGNORED
        gate = WordGate()
        calls: list[ToolCall] = []
        seam = Seam(answer.shown, mode, answer.gap, whole=answer.whole) if mode else None
        usage: Usage | None = None
        finish: Finish | None = None
        received = 0
        try:
            async with aclosing(self._watched(candidate, request, budget, answer.shown, mode)) as deltas:
                async for delta in deltas:
                    match delta:
                        case Text():
                            received += len(delta.text)
                            joined = seam.feed(delta.text) if seam else delta.text
                            if seam and seam.decided and mode:
                                yield Continuation(candidate.name, mode, len(answer.gap))
                                seam = None
                            shown = gate.feed(joined)
                            if shown and not hold_text:
                                answer.shown += shown
                                yield Text(shown, candidate.name)
                        case Reasoning():
                            yield delta
                        case ToolCall():
                            calls.append(delta)
                        case Usage():
                            usage = delta
                        case Finish():
                            finish = delta
            if finish is None:
                raise ModelTruncatedError("The stream ended without a finish reason.", fault="cut")
            rest = gate.feed(seam.flush()) if seam else ""
            rest += gate.flush()
            if not (answer.shown + rest).strip() and not calls and finish.reason == "stop":
                raise ModelEmptyError("The model gave an empty answer.", fault="empty")
            verdict = Verdict.SUCCEEDED
            if seam and mode:
                yield Continuation(candidate.name, mode, 0)
            if rest:
                answer.shown += rest
                yield Text(rest, candidate.name)
            for call in calls:
                yield call
            if usage:
                budget.add_usage(usage.input_tokens, usage.output_tokens)
                yield usage
            yield finish
        except AIOrchestrationError as error:
            verdict = Verdict.FAILED if error.fault is not Blame.CALLER else Verdict.IGNORED
            raise
        finally:
            if permit is not None:
                permit.report(verdict)
            if verdict is not Verdict.SUCCEEDED:
                answer.gap = gate.held[: len(gate.held) - len(gate.held.lstrip())] or answer.gap
                answer.whole = gate.whole

    async def _watched(
        self, candidate: Candidate, request: Any, budget: TurnBudget, prefix: str, mode: ContinuationMode | None
    ) -> AsyncGenerator[Delta, None]:
        """The candidate's deltas under its deadlines and caps."""
        policy = candidate.policy
        max_chars = policy.max_output_tokens * _CHARS_PER_TOKEN
        timeout_s, phase = policy.first_token_timeout_s, "first_token"
        chars = blanks = 0
        deltas = candidate.upstream.stream(request, prefix, mode)
        try:
            while True:
                try:
                    async with asyncio.timeout(min(timeout_s, budget.remaining_s)):
                        delta = await anext(deltas)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    raise ModelTimeoutError(
                        f"{candidate.name} gave no sign of life for {timeout_s:g} s.", fault=phase
                    ) from error
                timeout_s, phase = policy.idle_timeout_s, "idle"
                yield delta
                if isinstance(delta, Text):
                    chars += len(delta.text)
                    blanks = 0 if delta.text.strip() else blanks + len(delta.text)
                if blanks > _MAX_BLANKS:
                    raise ModelMalformedError(f"{candidate.name} sends nothing but blanks.", fault="blanks")
                if chars > max_chars:
                    yield Finish("length")
                    return
        finally:
            await _close(deltas)

    async def _next(
        self,
        failures: list[tuple[Candidate, AIOrchestrationError]],
        refused: set[str],
        budget: TurnBudget,
        answer: _Answer,
    ) -> Candidate | None:
        """The candidate to try now, after a pause if all of them have been tried; None if there is none."""
        tried = {candidate.name for candidate, _ in failures}
        fresh = [c for c in self.candidates if c.name not in tried]
        if fresh:
            return next((c for c in fresh if _admits(c.breaker)), fresh[0] if not failures else None) or (
                fresh[0] if all(not error.retryable for _, error in failures) else await self._again(failures, budget)
            )
        if answer.shown and refused:
            return None
        return await self._again(failures, budget)

    async def _again(
        self, failures: list[tuple[Candidate, AIOrchestrationError]], budget: TurnBudget
    ) -> Candidate | None:
        """A retry: of the last failed candidate whose error allows one, after a jittered pause."""
        dead = {c.name for c, error in failures if not error.retryable}
        alive = [c for c in self.candidates if c.name not in dead]
        if not alive or budget.attempts_left <= 0:
            return None
        rounds = max(0, len(failures) - len(self.candidates))
        pause_s = self._rng.uniform(0, min(_MAX_BACKOFF_S, _BACKOFF_S * 2**rounds))
        asked = [e.retry_after_s for _, e in failures[-len(alive) :] if e.retry_after_s]
        pause_s = max(pause_s, min(asked, default=0.0))
        if pause_s >= budget.remaining_s:
            return None
        await asyncio.sleep(pause_s)
        counts = {c.name: sum(1 for f, _ in failures if f is c) for c in alive}
        return min(alive, key=lambda c: counts[c.name])

    def _all_failed(
        self, failures: list[tuple[Candidate, AIOrchestrationError]], answer: _Answer
    ) -> ModelAllFailedError:
        waits = [error.retry_after_s for _, error in failures if error.retry_after_s]
        last = failures[-1][1] if failures else None
        failed = ModelAllFailedError(
            "None of the models could answer.",
            retry_after_s=min(waits, default=None),
            attempts=[{"model": candidate.name, "kind": error.kind} for candidate, error in failures],
            shown_chars=len(answer.shown),
        )
        failed.__cause__ = last
        return failed


def _admits(breaker: CircuitBreaker) -> bool:
    return breaker.admits


def _admit(breaker: CircuitBreaker) -> Permit | None:
    """A permit, or none from an open breaker: the chain only comes here when nothing better is left."""
    try:
        return breaker.admit()
    except ResourceBreakerOpenError:
        return None


async def _close(deltas: AsyncGenerator[Delta, None]) -> None:
    """End a request that may be stuck, without waiting for it longer than a second."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await deltas.aclose()
    except TimeoutError:
        return
