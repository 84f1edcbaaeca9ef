"""A standby that reads along has the question before it is asked for the rest of the answer."""

from collections.abc import AsyncIterator

import pytest
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters

from yaoki.faults import ScriptedProvider
from yaoki.faults.script import ANSWER, Script
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.deltas import Finish, Text
from yaoki.llm.upstreams.pydantic_upstream import ChatRequest
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.resilience.breaker import CircuitBreaker

QUESTION = ChatRequest(
    messages=[ModelRequest(parts=[UserPromptPart("How many ships?")])], parameters=ModelRequestParameters()
)


@pytest.fixture
async def providers() -> AsyncIterator[list[ScriptedProvider]]:
    async with ScriptedProvider(Script(token_s=0.005)) as one, ScriptedProvider(Script(token_s=0.005)) as two:
        yield [one, two]


def chain_over(providers: list[ScriptedProvider], *, reads_along: bool) -> Chain:
    policy = CandidatePolicy(reads_along=reads_along, continuation="prefill")
    return Chain(
        [
            Candidate(
                name=name,
                upstream=openai_upstream(model=name, base_url=provider.base_url),
                breaker=CircuitBreaker(name),
                policy=policy,
            )
            for name, provider in zip(("one", "two"), providers, strict=True)
        ]
    )


async def answer(chain: Chain) -> str:
    items = [item async for item in chain.stream(QUESTION, TurnBudget())]
    assert isinstance(items[-1], Finish)
    return "".join(item.text for item in items if isinstance(item, Text))


async def test_the_standby_reads_the_same_question_and_leaves_after_its_first_word(
    providers: list[ScriptedProvider],
) -> None:
    chain = chain_over(providers, reads_along=True)
    assert await answer(chain) == ANSWER
    await providers[1].until(lambda provider: bool(provider.requests) and provider.requests[0].left)
    assert [request.body["messages"] for request in providers[1].requests] == [
        request.body["messages"] for request in providers[0].requests
    ]
    await chain.aclose()


async def test_a_cut_goes_on_as_ever_and_the_readings_failure_is_nobodys(providers: list[ScriptedProvider]) -> None:
    await providers[0].play(Script(fault="cut_mid_stream"))
    await providers[1].play(Script(fault="http_500", times=1))
    chain = chain_over(providers, reads_along=True)
    assert await answer(chain) == ANSWER
    assert [request.kind for request in providers[1].requests] == ["answer", "prefill"]
    assert chain.candidates[1].breaker.state == "closed"
    await chain.aclose()


async def test_nobody_reads_along_unless_told_to(providers: list[ScriptedProvider]) -> None:
    chain = chain_over(providers, reads_along=False)
    assert await answer(chain) == ANSWER
    assert providers[1].requests == []
    await chain.aclose()
