"""One candidate's try at an answer, or at the rest of one.

Text goes through the word gate, so that only whole words are shown; a continuation goes through the seam first. Tool
calls, usage and the finish are held until the response is proven good. Whatever ends the attempt, its request is
closed; its stake in the breaker is settled with the verdict, or by whoever made the attempt.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from yaoki.errors import (
    AIOrchestrationError,
    ModelEmptyError,
    ModelFilteredError,
    ModelOutputLimitError,
    ModelTimeoutError,
    ModelTruncatedError,
)
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, Stake
from yaoki.llm.chain.cut_short import refuse_cut_short
from yaoki.llm.chain.output_guard import OutputGuard
from yaoki.llm.chain.reader import Reader, Stragglers
from yaoki.llm.deltas import (
    Continuation,
    Delta,
    Finish,
    HalfAnswer,
    Held,
    Item,
    Reasoning,
    Text,
    ToolCall,
    ToolCallPiece,
    Usage,
)
from yaoki.llm.seams.characters import UNSEEN, ZERO_WIDTH
from yaoki.llm.seams.continuing import CHARS_PER_TOKEN
from yaoki.llm.seams.refrain import Refrain
from yaoki.llm.seams.seam import Seam
from yaoki.llm.seams.word_gate import WordGate

_GOOD = ("stop", "tool_calls")
"""Ends after which a tool call may be believed to be whole."""
_WIDEST_GAP = 40
Shrink = Callable[[], tuple[Any, int] | None]
"""Gives a shorter request and how many turns it leaves out; None once nothing can be left out."""


class OutputLimitReachedError(Exception):
    """The answer reached its output limit, and may go on."""


@dataclass(slots=True)
class Answer:
    """The one answer that the attempts write together.

    Attributes:
        shown: The text that a person has seen.
        lost: What was received after it and never shown.
        whole: Whether `shown` ends with a whole word.
        looped: What was shown ends in words that came over and over, so nobody should go on from there.
        calling: The last attempt was cut while it wrote a tool call.
        restarted: Whether what was shown has been declared void once.
    """

    shown: str = ""
    lost: str = ""
    whole: bool = True
    looped: bool = False
    calling: bool = False
    restarted: bool = False

    @classmethod
    def resumed(cls, shown: str, held: str) -> "Answer":
        """One that was shown before a crash; `held` is what is known to have come after it."""
        return cls(shown=shown, lost=held, whole=not held or held[0].isspace()) if shown.strip() else cls()

    def start_over(self) -> None:
        """What was shown is void."""
        self.shown = self.lost = ""
        self.whole, self.looped, self.calling, self.restarted = True, False, False, True

    def seam(self, half: HalfAnswer) -> Seam:
        """Judges what is to follow `shown`."""
        return Seam(self.shown, half, gap=self.gap(), whole=self.whole, more=self.lost)

    def gap(self) -> str | None:
        """The white space known to have followed `shown`; None if nothing is known, or nothing that can be meant."""
        gap = _gap(self.lost)
        return gap if self.lost and len(gap) <= _WIDEST_GAP else None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What whoever asks knows of a request, which is opaque to the chain.

    Attributes:
        prompt_tokens: About how many it has, for what a provider does not count.
        may_go_on: Nobody set a limit of their own to the answer's length, so the chain's policy decides what happens
            where it reaches one.
        shrink: Gives a shorter request when no window holds this one.
        opened: A first attempt that was made already.
    """

    prompt_tokens: int = 0
    may_go_on: bool = False
    shrink: Shrink | None = None
    opened: "Opened | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What every attempt at one answer is given.

    Attributes:
        request: Opaque; handed to the upstream.
        hold_text: Show nothing before the answer is whole.
        about: What is known of the request.
        elsewhere: A filtered answer is a failure, since another model is named for it.
    """

    request: Any
    budget: TurnBudget
    hold_text: bool
    stragglers: Stragglers
    about: About
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A first attempt that was made already, and whose outcome is still to be judged.

    Attributes:
        deltas: What it brought; raises what it raised.
        waited_s: Seconds from the request until then.
    """

    candidate: Candidate
    stake: Stake
    deltas: AsyncGenerator[Delta, None]
    waited_s: float


@dataclass(slots=True)
class _Response:
    """What one response has brought so far and is not handed out yet."""

    text: str = ""
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    usage: Usage | None = None
    finish: Finish | None = None
    calling: bool = False


class Attempt:
    """One try; `items` may be iterated once.

    Attributes:
        first_token_s: Seconds from the request to the first sign of life; None before it.
        wrote_s: Seconds from then to the last sign of life.
        chars: Characters received.
        silent: No sign of life came in time.
        excess: The response was ended by us, for this reason; the answer stands all the same.
        on_life: Called at the first sign of life.
        opened: What it brought, if it was made already.
        used: What it has cost, known once it has ended; None if nothing came.
    """

    def __init__(
        self,
        candidate: Candidate,
        stake: Stake,
        task: Task,
        answer: Answer,
        half: HalfAnswer | None,
        *,
        may_go_on: bool = False,
    ) -> None:
        self.first_token_s: float | None = None
        self.wrote_s = 0.0
        self.chars = 0
        self.silent = False
        self.excess: ModelOutputLimitError | None = None
        self.on_life: Callable[[], None] | None = None
        self.opened: Opened | None = None
        self._asked = candidate.clock.monotonic()
        self.used: Usage | None = None
        self._candidate = candidate
        self._stake = stake
        self._task = task
        self._answer = answer
        self._half = half
        self._may_go_on = may_go_on
        self._shows = False
        self._gate = WordGate()
        self._refrain = Refrain(answer.shown)
        self._seam = answer.seam(half) if half else None
        self._response = _Response()

    async def items(self) -> AsyncGenerator[Item, None]:
        """The attempt's part of the answer, ending with its `Finish`.

        Raises:
            SeamRefusedError: It is no continuation of what was shown.
            OutputLimitReachedError: The answer is not at its end, and may go on.
            ModelInferenceError: Anything else that went wrong.
        """
        stake = self._stake
        try:
            async with aclosing(self._stream()) as items:
                async for item in items:
                    yield item
            if self.excess is None:
                stake.won()
            else:
                stake.lost(self.excess)
        except OutputLimitReachedError:
            self._leave()
            stake.won()
            raise
        except AIOrchestrationError as error:
            self.silent = self.first_token_s is None and isinstance(error, ModelTimeoutError)
            self._leave()
            self._answer.looped = error.facts.get("fault") == "loop" and self._refrain.holds and self._shows
            stake.lost(error)
            raise
        finally:
            self._account()
        for item in self._rest():
            yield item

    async def _stream(self) -> AsyncGenerator[Item, None]:
        candidate, budget = self._candidate, self._task.budget
        opened = self.opened
        deltas = opened.deltas if opened else candidate.upstream.stream(self._task.request, self._half)
        guard = OutputGuard(candidate.policy.max_output_tokens, shown=not self._task.hold_text)
        reader = Reader(
            deltas, guard, candidate.policy, budget.remaining_s, self._task.stragglers, clock=candidate.clock
        )
        async with reader:
            async for delta in reader:
                self.chars, self.wrote_s = guard.chars, reader.wrote_s
                if self.first_token_s is None:
                    self.first_token_s = opened.waited_s if opened else reader.first_token_s
                    if self.on_life is not None:
                        self.on_life()
                for item in self._take(delta):
                    yield item
                if self._response.finish is not None:
                    break
        if guard.excess is not None:
            self.excess = ModelOutputLimitError("The answer would not end.", fault=guard.excess)
        self._judge()

    @property
    def whole(self) -> bool:
        """Whether it brought a response that nothing is missing of."""
        return self._response.finish is not None and self._response.finish.reason in _GOOD and self.excess is None

    def _take(self, delta: Delta) -> Iterator[Item]:
        """What may be handed out now that `delta` has come."""
        response = self._response
        response.finish = delta if isinstance(delta, Finish) else None
        match delta:
            case Text():
                yield from self._show(delta.text)
            case Reasoning():
                yield delta
            case ToolCallPiece() | Finish(reason="tool_calls"):
                if not response.calling:
                    yield from self._end_text()
                response.calling = True
            case ToolCall():
                response.calls.append(delta)
            case Usage():
                response.usage = delta
            case _:
                pass

    def _show(self, text: str) -> Iterator[Item]:
        if self._seam is not None:
            text = self._seam.feed(text)
            if self._seam.decided:
                yield from self._joined()
        held = self._gate.held
        text = self._gate.feed(self._refrain.feed(text))
        if self._task.hold_text:
            self._response.text += text
        elif text:
            self._shows = True
            self._answer.shown += text
            self._answer.whole = self._gate.whole
            yield Text(text, self._candidate.name, self._gate.held)
        elif self._shows and len(held) <= _WIDEST_GAP and _gap(held) != _gap(self._gate.held):
            yield Held(self._gate.held, self._candidate.name)

    def _end_text(self) -> Iterator[Item]:
        """A tool call begins, so the text before it is whole; whoever has to make the call again need not say it."""
        text = ""
        if self._seam is not None and self._seam.begun:
            text = self._gate.feed(self._refrain.feed(self._seam.flush(calls=True)))
            yield from self._joined()
        text += self._gate.feed(self._refrain.flush()) + self._gate.end_word()
        if self._task.hold_text:
            self._response.text += text
        elif text:
            self._answer.shown += text
            self._answer.whole = self._gate.whole
            yield Text(text, self._candidate.name)

    def _joined(self) -> Iterator[Item]:
        self._seam = None
        if self._half is not None:
            yield Continuation(self._candidate.name, self._half.mode, len(self._answer.lost))
            self._answer.lost = ""

    def _judge(self) -> None:
        """The stream has ended: is it an answer?"""
        response, answer = self._response, self._answer
        if response.finish is None:
            raise ModelTruncatedError("The stream ended without a finish reason.", fault="cut")
        if response.finish.reason == "content_filter" and self._task.elsewhere:
            raise ModelFilteredError("The provider's content policy ended the answer.", fault="filtered")
        if response.finish.reason == "length" and self._goes_on():
            raise OutputLimitReachedError
        if self._seam is not None:
            response.text += self._gate.feed(self._refrain.feed(self._seam.flush(calls=bool(response.calls))))
        response.text += self._gate.feed(self._refrain.flush()) + self._gate.flush()
        empty = not (answer.shown + response.text).strip(UNSEEN) and not response.calls
        if empty and response.finish.reason in _GOOD:
            raise ModelEmptyError("The model gave an empty answer.", fault="empty")
        if response.finish.reason in _GOOD:
            refuse_cut_short(response.finish.reason, response.calls, response.text if self._task.hold_text else "")

    def _goes_on(self) -> bool:
        """Whether an answer at its limit can be continued: some of it is there, and none of it is a tool call."""
        began = self._answer.shown.strip() and self._seam is None
        return bool(self._may_go_on and began and not self._response.calling and self.excess is None)

    def _account(self) -> None:
        """Count what it used: as the provider says, else, if anything came, as we guess."""
        usage, price = self._response.usage, self._candidate.price
        if usage is None:
            if self.first_token_s is None:
                return
            usage = Usage(self._task.about.prompt_tokens, -(-self.chars // CHARS_PER_TOKEN), estimated=True)
        self.used = usage
        counts = usage.input_tokens, usage.output_tokens
        self._task.budget.add_usage(*counts, cost_usd=price(*counts) if price else None, estimated=usage.estimated)

    @property
    def waited_s(self) -> float:
        """Seconds since it began."""
        return self._candidate.clock.monotonic() - self._asked

    def unheard(self) -> Usage:
        """It was left before it said anything: its prompt, as a guess, has been used all the same."""
        self.used = Usage(self._task.about.prompt_tokens, 0, estimated=True)
        price = self._candidate.price
        cost_usd = price(self.used.input_tokens, 0) if price else None
        self._task.budget.add_usage(self.used.input_tokens, 0, cost_usd=cost_usd, estimated=True)
        return self.used

    def _rest(self) -> Iterator[Item]:
        """What was held, now that the response is proven good."""
        response, answer = self._response, self._answer
        if self._seam is not None:
            yield from self._joined()
        if response.text:
            answer.shown += response.text
            yield Text(response.text, self._candidate.name)
        if response.finish is not None and response.finish.reason in _GOOD:
            yield from response.calls
        if self.used is not None and (self._half is not None or not self.used.estimated):
            yield self.used
        if response.finish is not None:
            yield Finish(response.finish.reason, self._candidate.name)

    def _leave(self) -> None:
        """The attempt has failed: what the next one has to know."""
        answer = self._answer
        joined = self._seam is None  # before that, a call says nothing about the text, which may want its rest
        answer.calling = self._response.calling if joined else answer.calling
        if self._seam is None and not self._task.hold_text:
            answer.lost = _known(self._gate.held + self._refrain.held)


def _gap(held: str) -> str:
    """The white space that it begins with."""
    return held[: len(held) - len(held.lstrip())]


def _known(held: str) -> str:
    """What is known to follow the text shown; nothing if it is only noise that takes no room."""
    lost = held.rstrip(ZERO_WIDTH)
    return "" if lost != held and not lost.strip() else lost
