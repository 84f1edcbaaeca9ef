"""The short way through the chain: a healthy first model that lies in this process is asked for its whole response.

    a plain response    is the answer; nothing about it could have been watched
    anything else       is the first attempt of an ordinary answer: the chain judges what came, and goes on from there

Breaker, budget, health and notices are the chain's own. The answer is the first sign of life, so it is due by the first
token's deadline, or by the turn's if that is sooner. It runs in the caller's task: a model that does not let itself be
cancelled holds its caller, as it would without a chain.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterator
from dataclasses import replace

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ThinkingPart, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from yaoki.errors import AIOrchestrationError, ModelMalformedError, ModelTimeoutError
from yaoki.llm.chain.attempt import Opened
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, Stake
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain.output_guard import MAX_BLANKS, OutputGuard
from yaoki.llm.chain.run import note_pace
from yaoki.llm.deltas import Delta, Finish, Item, Text, ToolCall, Usage
from yaoki.llm.seams.characters import UNSEEN
from yaoki.llm.seams.continuing import CHARS_PER_TOKEN
from yaoki.llm.upstreams.pydantic_upstream import (
    PydanticUpstream,
    arguments_of,
    details_of,
    offers_tools,
    prompt_tokens,
    reasoning,
    told,
)
from yaoki.resilience.breaker import Permit
from yaoki.resilience.deadlines import Timeout
from yaoki.resilience.verdicts import Verdict

_PLAIN_ENDS = (None, "stop", "tool_call")
_SHORTEST_S = 0.001


async def ask_straight(
    chain: Chain,
    budget: TurnBudget,
    messages: list[ModelMessage],
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
) -> ModelResponse | Opened | None:
    """The first model's response; what it brought instead; or None: nothing was asked, and the ordinary way is due.

    Raises:
        AgentTurnBudgetSpentError: The budget ended first. Cancelling ends the request.
    """
    candidate = chain.candidates[0]
    upstream = candidate.upstream
    if not isinstance(upstream, PydanticUpstream) or not upstream.straight:
        return None
    if not chain.one_at_a_time or not candidate.calm:
        return None
    breaker, clock = candidate.breaker, candidate.clock
    generation = breaker.generation  # of a calm breaker, which asks for no more
    budget.spend_attempt()
    asked = clock.monotonic()
    brought: ModelResponse | AIOrchestrationError
    try:
        brought = await _in_time(candidate, upstream.whole(messages, settings, parameters), budget.remaining_s)
    except AIOrchestrationError as error:
        brought = error
    waited_s = clock.monotonic() - asked
    chars = _plain_chars(brought, candidate, settings, parameters)
    if chars is None or isinstance(brought, AIOrchestrationError):
        offered = offers_tools(parameters, settings)
        stake = Stake(candidate, Permit(breaker, generation, 0.0))
        return Opened(candidate, stake, _again(brought, offered=offered), waited_s)
    if not breaker.calm or generation != breaker.generation:
        breaker.settle(generation, Verdict.SUCCEEDED)
    budget.give_back()
    spent, estimated = _tokens(brought, chars, messages)
    budget.add_usage(*spent, cost_usd=candidate.price(*spent) if candidate.price else None, estimated=estimated)
    note_pace(candidate, chain.notices, waited_s, chars, 0.0)
    return _named(brought, chain)


def said(response: ModelResponse) -> Iterator[Item]:
    """What the chain would have handed out of such a response."""
    name = response.model_name or ""
    for index, part in enumerate(response.parts):
        if isinstance(part, TextPart):
            yield Text(part.content, name)
        elif isinstance(part, ThinkingPart):
            yield reasoning(part, (response.timestamp, index))
    for call in response.tool_calls:
        yield ToolCall(call.tool_name, arguments_of(call), call.tool_call_id, details_of(call))
    usage = response.usage
    if usage.input_tokens or usage.output_tokens:
        yield Usage(usage.input_tokens, usage.output_tokens)
    yield Finish("tool_calls" if response.finish_reason == "tool_call" else "stop", name)


async def _in_time(candidate: Candidate, response: Awaitable[ModelResponse], total_s: float) -> ModelResponse:
    """The response, or the error of the deadline that passed."""
    shared = candidate.first_token
    timeout = shared if shared.timeout_s < total_s else Timeout(max(total_s, _SHORTEST_S))
    deadline = timeout.begin()
    try:
        return await response
    except asyncio.CancelledError as error:
        if not deadline.passed or not deadline.takes_back():
            raise
        phase = "first_token" if timeout is shared else "total"
        message = f"The model's deadline passed: {phase}, {timeout.timeout_s:.1f} s."
        raise ModelTimeoutError(message, fault=phase) from error
    finally:
        timeout.end(deadline)
        if deadline.passed:
            deadline.takes_back()
        if timeout is not shared:
            timeout.disarm()


def _tokens(response: ModelResponse, chars: int, messages: list[ModelMessage]) -> tuple[tuple[int, int], bool]:
    """What it used, and whether that is a guess of ours since the model does not say."""
    usage = response.usage
    if usage.input_tokens or usage.output_tokens:
        return (usage.input_tokens, usage.output_tokens), False
    return (prompt_tokens(messages), -(-chars // CHARS_PER_TOKEN)), True


def _plain_chars(
    brought: ModelResponse | AIOrchestrationError,
    candidate: Candidate,
    settings: ModelSettings | None,
    parameters: ModelRequestParameters,
) -> int | None:
    """How many characters an answer has that there is nothing to judge about; None for anything else."""
    if isinstance(brought, AIOrchestrationError):
        return None
    if brought.state != "complete" or brought.finish_reason not in _PLAIN_ENDS:
        return None
    chars, says = 0, False
    for part in brought.parts:
        if isinstance(part, TextPart):
            chars += len(part.content)
            says = says or bool(part.content.strip(UNSEEN))
        elif isinstance(part, ThinkingPart):
            chars += len(part.content)
        elif type(part) is ToolCallPart and offers_tools(parameters, settings):
            chars += len(str(part.args or ""))
            says = True
        else:
            return None
    short = chars < MAX_BLANKS and chars < candidate.policy.max_output_tokens
    return chars if says and (short or not _is_too_much(brought, candidate)) else None


def _is_too_much(response: ModelResponse, candidate: Candidate) -> bool:
    """Whether the guard would end such an answer."""
    guard = OutputGuard(candidate.policy.max_output_tokens, shown=True)
    try:
        for delta in told(response, offered=True):
            guard.take(delta)
    except ModelMalformedError:
        return True
    return guard.excess is not None


def _named(response: ModelResponse, chain: Chain) -> ModelResponse:
    """The response with the candidate's name, as every answer of a chain, and with ids of ours for its calls."""
    ends = "stop"
    if response.tool_calls:  # never in the model's own object, which may be in the history already
        ends = "tool_call"
        parts = response.parts
        ours = [
            replace(part, tool_call_id=chain.call_id()) if isinstance(part, ToolCallPart) else part for part in parts
        ]
        response = replace(response, parts=ours)
    response.model_name = chain.candidates[0].name
    response.finish_reason = response.finish_reason or ends
    return response


async def _again(brought: ModelResponse | AIOrchestrationError, *, offered: bool) -> AsyncGenerator[Delta, None]:
    """What the attempt brought, for the chain to judge."""
    if isinstance(brought, AIOrchestrationError):
        raise brought
    for delta in told(brought, offered=offered):
        yield delta
