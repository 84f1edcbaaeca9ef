"""Ends that are no faults, and conversations that are too long: what the policy allows is done, the rest is said."""

import asyncio

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart

from tests.faults.chain_bench import Bench, Told
from yaoki.faults import ANSWER, BEHAVIOURS, Script
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain, ChainPolicy
from yaoki.llm.chain_model import ChainModel
from yaoki.llm.deltas import Compaction
from yaoki.resilience.breaker import CircuitBreaker

GO_ON = ChainPolicy(on_output_limit="continue")
HISTORY: list[ModelMessage] = [
    message
    for number in range(8)
    for message in (
        ModelRequest(parts=[UserPromptPart(f"Question {number}? " + "Word " * 20)]),
        ModelResponse(parts=[TextPart(f"Answer {number}.")]),
    )
]


@pytest.mark.requirement("M18", "P-3")
@pytest.mark.parametrize("fault", ["length", "length_max_tokens", "length_upper"])
async def test_an_answer_at_its_limit_goes_on_where_the_policy_allows(fault: str) -> None:
    async with Bench(Script(fault=fault, at=166, times=1), Script()) as bench:
        bench.chain = Chain(bench.chain.candidates, policy=GO_ON)
        told = await bench.ask()
    told.assert_whole(ANSWER, failovers=0)
    assert [one.model for one in told.continuations] == ["m0"]
    assert bench.providers[1].requests == []


@pytest.mark.requirement("M18", "P-2")
async def test_an_answer_that_never_comes_to_its_end_is_said_to_be_cut_off() -> None:
    async with Bench(Script(fault="length", at=60)) as bench:
        bench.chain = Chain(bench.chain.candidates, policy=GO_ON)
        told = await bench.ask(max_attempts=20)
    assert told.failure is None
    assert told.finishes == ["length"]
    assert ANSWER.startswith(told.text)
    assert 3 <= len(told.continuations) <= 4


@pytest.mark.requirement("M18", "P-2", "P-5")
async def test_it_goes_on_within_the_budget_only() -> None:
    async with Bench(Script(fault="length", at=60)) as bench:
        bench.chain = Chain(bench.chain.candidates, policy=GO_ON)
        told = await bench.ask(max_attempts=2)
    assert (told.finishes, len(told.continuations)) == (["length"], 1)


@pytest.mark.requirement("M18", "P-2", "P-3")
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
async def test_what_cannot_be_joined_cleanly_stays_cut_off_and_says_so(behaviour: str) -> None:
    first = Script(fault="length", at=166, times=1, prefill=behaviour, instruction="talk_over")  # type: ignore[arg-type]
    async with Bench(first) as bench:
        bench.chain = Chain(bench.chain.candidates, policy=GO_ON)
        told = await bench.ask()
    assert told.failure is None
    assert told.restarts == 0
    assert told.finishes in (["stop"], ["length"])
    assert told.text == ANSWER if told.finishes == ["stop"] else ANSWER.startswith(told.text)


@pytest.mark.requirement("M18", "P-2")
async def test_when_the_model_dies_after_its_limit_another_one_goes_on() -> None:
    async with Bench((Script(fault="length", at=166, times=1), Script(fault="http_500")), Script()) as bench:
        bench.chain = Chain(bench.chain.candidates, policy=GO_ON)
        told = await bench.ask()
    told.assert_whole(ANSWER, failovers=1)


@pytest.mark.requirement("M19", "P-2")
@pytest.mark.parametrize("fault", ["filtered", "filtered_first", "filtered_safety"])
async def test_a_filtered_answer_goes_to_the_model_that_is_named_for_it(fault: str) -> None:
    async with Bench(Script(fault=fault, at=166), Script(answer="Not asked."), Script(answer="Seven.")) as bench:
        first, second, third = bench.chain.candidates
        bench.chain = Chain([first, second], on_filter=third)
        told = await bench.ask()
        told.assert_page("Seven.")
        assert (told.failovers[0].kind, told.failovers[0].to_model) == ("model.filtered", "m2")
        assert told.restarts == (fault != "filtered_first")
        assert bench.providers[1].requests == []
        await third.upstream.aclose()


@pytest.mark.requirement("M19", "P-2")
@pytest.mark.parametrize("second", ["filtered", "http_500", "refused"])
async def test_if_that_model_cannot_answer_either_the_filter_is_said(second: str) -> None:
    async with Bench(Script(fault="filtered", at=166), Script(), Script(fault=second)) as bench:
        first, healthy, third = bench.chain.candidates
        bench.chain = Chain([first, healthy], on_filter=third)
        told = await bench.ask()
        assert told.failure is None
        assert told.finishes == ["content_filter"]
        assert told.restarts == (second == "filtered")
        assert ANSWER.startswith(told.text)
        assert told.text
        assert bench.providers[1].requests == []
        await third.upstream.aclose()


@pytest.mark.requirement("M22")
async def test_a_model_with_a_larger_window_is_asked_and_none_with_a_smaller_one() -> None:
    async with Bench(Script(fault="context_overflow"), Script(answer="No."), Script()) as bench:
        windows = (8_000, 4_000, 32_000)
        bench.chain = Chain(
            [
                Candidate(
                    name=one.name,
                    upstream=one.upstream,
                    breaker=CircuitBreaker(one.name),
                    policy=CandidatePolicy(context_tokens=window),
                )
                for one, window in zip(bench.chain.candidates, windows, strict=True)
            ]
        )
        told = await bench.ask()
    told.assert_whole(ANSWER, failovers=1)
    assert told.failovers[0].to_model == "m2"
    assert bench.providers[1].requests == []


@pytest.mark.requirement("M22", "P-7")
async def test_without_one_the_oldest_turns_are_left_out_and_it_is_said() -> None:
    async with Bench(Script(fault="context_overflow", times=2)) as bench:
        told = Told()
        agent = Agent(ChainModel(bench.chain, TurnBudget(), sink=told.sink), instructions="Count ships.")
        async with asyncio.timeout(10):
            assert (await agent.run("And now?", message_history=HISTORY)).output == ANSWER
    first, second, third = (request.body["messages"] for request in bench.first.requests)
    assert len(first) > len(second) > len(third)
    assert all(messages[0]["content"] == "Count ships." for messages in (first, second, third))
    assert third[1:] == first[-len(third) + 1 :]
    assert third[1]["role"] == "user"
    assert third[-1]["content"] == "And now?"
    compactions = [item.left_out for item in told.items if isinstance(item, Compaction)]
    assert len(compactions) == 2
    assert compactions[0] < compactions[1] < 8


@pytest.mark.requirement("M22")
async def test_the_newest_turn_with_its_open_calls_stays_and_is_never_asked_for_ever() -> None:
    calls = ModelResponse(parts=[ToolCallPart("count", {}, tool_call_id="c1")])
    history = [*HISTORY, ModelRequest(parts=[UserPromptPart("How many?")]), calls]
    async with Bench(Script(fault="context_overflow", times=2)) as bench:
        agent = Agent(ChainModel(bench.chain, TurnBudget(max_attempts=9), sink=Told().sink))
        agent.tool_plain(name="count")(lambda: 7)
        async with asyncio.timeout(10):
            assert (await agent.run(message_history=history)).output == ANSWER
    last = bench.first.requests[-1].body["messages"]
    assert [message["role"] for message in last] == ["user", "assistant", "tool"]


@pytest.mark.requirement("M22", "P-2")
async def test_a_single_message_that_no_window_holds_ends_in_an_error() -> None:
    async with Bench(Script(fault="context_overflow"), Script(fault="context_overflow")) as bench:
        told = await bench.ask()
    assert told.failure is not None
    assert {attempt["kind"] for attempt in told.failure.facts["attempts"]} == {"model.context_overflow"}
    assert sum(len(provider.requests) for provider in bench.providers) == 2
