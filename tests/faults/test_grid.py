"""Every model fault × fallbacks that honour, refuse, ignore or talk over half an answer, through a turn and an agent.

The base URL's half of the grid is `test_v1_models`. In a turn and in an agent that nobody watches the answer may begin
again, once and said, so there it is whole in every cell.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic_ai import Agent

from tests.faults.chain_bench import Told
from tests.faults.harness import FIRST_TOKEN_S, IDLE_S
from tests.faults.page import Page
from tests.faults.test_v1_models import HEALED, RESTING, script
from tests.faults.v1 import FALLBACKS, LONGEST_S, Gateway, gateway, shared_gateway
from yaoki.faults import ANSWER
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain_model import ChainModel
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.resilience.breaker import CircuitBreaker

__all__ = ["gateway", "shared_gateway"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

BEHAVIOURS = ("honour", "refuse", "ignore", "talk_over", "ignore-instructed", "talk_over-instructed")
AT_ONCE = len(BEHAVIOURS)
FLOODS = ("endless", "repeating", "blanks", "zero_width", "huge")
"""What sends as fast as anybody reads: such answers go two by two."""
FAULTS = [*(name for name in HEALED if name not in RESTING), *sorted(RESTING)]
"""Those after which the first model is left alone for a while come last."""


@pytest.mark.requirement("M1", "M2", "M3", "M4", "M5", "M6", "M9", "M10", "M11", "M12", "M13", "M14", "M15", "M16")
@pytest.mark.requirement("M17", "M23", "M24", "M27", "P-2", "P-3", "P-7")
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_turn_is_whole_whatever_the_fallback_makes_of_it(gateway: Gateway, fault: str) -> None:
    await gateway.first.play(script(fault))
    at_once = asyncio.Semaphore(2 if fault.startswith(FLOODS) else AT_ONCE)
    pages = await asyncio.gather(*(_page(gateway, name, at_once) for name in BEHAVIOURS))
    for page in pages:
        page.assert_whole(ANSWER)
        assert len(page.marks("reset")) <= 1


@pytest.mark.requirement("M1", "M2", "M3", "M4", "M5", "M6", "M9", "M10", "M11", "M12", "M13", "M14", "M15", "M16")
@pytest.mark.requirement("M17", "M23", "M24", "M27", "P-2", "P-3")
@pytest.mark.parametrize("fault", FAULTS)
async def test_an_agent_gets_it_whole_whatever_the_fallback_makes_of_it(gateway: Gateway, fault: str) -> None:
    await gateway.first.play(script(fault))
    at_once = asyncio.Semaphore(2 if fault.startswith(FLOODS) else AT_ONCE)
    tells = await asyncio.gather(*(_told(gateway, name, at_once) for name in BEHAVIOURS))
    for told in tells:
        told.assert_page(ANSWER)
        assert told.restarts <= 1


async def _page(gateway: Gateway, name: str, at_once: asyncio.Semaphore) -> Page:
    async with at_once:
        return await _turn(gateway, name)


async def _turn(gateway: Gateway, name: str) -> Page:
    wanted = {"session_type": "chat", "agent": name}
    session = (await gateway.http.post("/ai/sessions", json=wanted)).json()["session_id"]
    page = Page(gateway.server.url, session)
    await page.connect()
    try:
        accepted = await gateway.http.post(f"/ai/sessions/{session}/messages", json={"content": "How many ships?"})
        page.turn = accepted.json()["turn_id"]
        await page.until_ended()
    finally:
        await page.cut()
    return page


async def _told(gateway: Gateway, name: str, at_once: asyncio.Semaphore) -> Told:
    told = Told()
    async with at_once, _chain(gateway, name) as chain, asyncio.timeout(LONGEST_S):
        model = ChainModel(chain, TurnBudget(LONGEST_S, 8), sink=told.sink)
        told.output = (await Agent(model).run("How many ships?")).output
    return told


@asynccontextmanager
async def _chain(gateway: Gateway, name: str) -> AsyncIterator[Chain]:
    """A chain of an application's own, over the same providers."""
    policy = CandidatePolicy(first_token_timeout_s=FIRST_TOKEN_S, idle_timeout_s=IDLE_S, move_back_s=0.0)
    [fallback] = [one for one in FALLBACKS if one.name == name]
    urls = {"faulty": gateway.first.base_url, fallback.name: gateway.fallbacks[name].base_url}
    candidates = [
        Candidate(
            name=model,
            upstream=openai_upstream(model=model, base_url=url),
            breaker=CircuitBreaker(model),
            policy=policy,
        )
        for model, url in urls.items()
    ]
    chain = Chain(candidates, rng=random.Random(0))
    try:
        yield chain
    finally:
        await chain.aclose()
