"""P12 as a person sees it: the model that answers is killed or freezes in the middle of a word; another goes on."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from pydantic_ai import Agent

from tests.faults.chain_bench import Told
from tests.faults.local_models import pid_of, policy, replaced, running
from yaoki.errors import ModelUnavailableError
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain_model import ChainModel
from yaoki.llm.deltas import Item, Text
from yaoki.llm.local import LocalModel, LocalUpstream
from yaoki.resilience.breaker import BreakerPolicy, CircuitBreaker

pytestmark = pytest.mark.slow

IDLE_S = 1.0
PATIENCE = CandidatePolicy(first_token_timeout_s=10.0, idle_timeout_s=IDLE_S, max_output_tokens=120)
AGENT = Agent(instructions="You are a helpful assistant.")
QUESTION = "Tell me how to bake bread, in many steps."


def chain_of(*models: LocalModel) -> Chain:
    return Chain(
        [
            Candidate(
                name=model.name,
                upstream=LocalUpstream(model, max_output_tokens=PATIENCE.max_output_tokens),
                breaker=CircuitBreaker(model.name, BreakerPolicy()),
                policy=PATIENCE,
            )
            for model in models
        ]
    )


@asynccontextmanager
async def two() -> AsyncGenerator[tuple[LocalModel, LocalModel, Chain], None]:
    async with running("one") as one, running("two") as other:
        chain = chain_of(one, other)
        yield one, other, chain
        await chain.aclose()


async def asked(chain: Chain, told: Told) -> None:
    async with asyncio.timeout(40.0):
        model = ChainModel(chain, TurnBudget(40.0), sink=told.sink)
        told.output = (await AGENT.run(QUESTION, model=model)).output


class Striking(Told):
    """Hits a process once some words are on the page."""

    def __init__(self, pid: int, blow: signal.Signals) -> None:
        super().__init__()
        self._pid, self._blow = pid, blow

    async def sink(self, item: Item) -> None:
        await super().sink(item)
        if isinstance(item, Text) and len(self.text) > 40 and self._pid:
            os.kill(self._pid, self._blow)
            self._pid = 0


@pytest.mark.requirement("P12")
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=lambda blow: blow.name)
async def test_another_model_goes_on_from_the_last_word_and_the_first_is_back(blow: signal.Signals) -> None:
    async with two() as (one, _, chain):
        old = pid_of(one)
        told = Striking(old, blow)
        await asked(chain, told)
        assert [(hop.from_model, hop.to_model, hop.mid_stream) for hop in told.failovers] == [("one", "two", True)]
        assert told.restarts == 0
        assert len(told.finishes) == 1
        assert told.output == told.text
        assert len(told.text) > told.failovers[0].at_char >= 40
        await replaced(one, old)
        again = Told()
        await asked(chain, again)
        assert again.failovers == []


@pytest.mark.requirement("P12")
async def test_a_model_that_is_down_is_passed_over_at_once() -> None:
    async with running("two") as other:
        chain = chain_of(LocalModel("one", policy()), other)
        told = Told()
        await asked(chain, told)
        assert [(hop.from_model, hop.to_model, hop.mid_stream) for hop in told.failovers] == [("one", "two", False)]
        assert told.text
        await chain.aclose()


async def test_a_question_waits_for_a_model_that_is_about_to_be_there() -> None:
    async with LocalModel("one", policy()) as model:
        chain = chain_of(model)
        told = Told()
        await asked(chain, told)
        assert told.text
        await chain.aclose()


async def test_an_embedded_model_is_known_to_honour_a_prefill_without_being_asked() -> None:
    upstream = LocalUpstream(LocalModel("one", policy()))
    assert await upstream.honours_prefill()
    with pytest.raises(ModelUnavailableError, match="not started"):
        _ = LocalModel("one").base_url
    await upstream.aclose()
