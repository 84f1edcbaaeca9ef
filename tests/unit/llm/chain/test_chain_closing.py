"""The chain, when somebody leaves or something will not close: nothing is left behind."""

import asyncio
import contextlib
import gc

from tests.unit.llm.fakes import FakeUpstream, Told, candidate, chain_of, hold, says
from yaoki.errors import ModelTruncatedError, ModelUnavailableError
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.chain import Chain
from yaoki.llm.deltas import Failover, Reasoning, Text

CUT = [Text("The capital"), Text(" of"), Text(" Fra"), ModelTruncatedError("cut", fault="cut")]


async def test_cancelling_closes_the_request_at_once_and_gives_the_permit_back() -> None:
    upstream = FakeUpstream([Text("One "), hold])
    chain = Chain([candidate("a", upstream, threshold=1)])
    breaker = chain.candidates[0].breaker
    breaker.admit().failed()
    breaker.reset()
    told = Told()
    task = asyncio.create_task(told.hear(chain))
    while not upstream.open:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert upstream.open == 0
    assert breaker.state == "closed"


async def test_a_stream_that_nobody_reads_on_is_closed() -> None:
    upstream = FakeUpstream([Text("One two"), hold])
    items = chain_of(upstream).stream("question", TurnBudget())
    assert await anext(items) == Text("One", "a")
    await items.aclose()
    assert upstream.open == 0


async def test_a_stream_that_is_closed_at_a_failover_gives_the_next_permit_back() -> None:
    chain = chain_of(FakeUpstream([ModelUnavailableError("down")]), FakeUpstream(says("never")))
    chain.candidates[1].breaker.isolate()
    items = chain.stream("question", TurnBudget())
    chain.candidates[1].breaker.reset()
    assert type(await anext(items)) is Failover
    await items.aclose()
    assert repr(chain.candidates[1].breaker) == "<CircuitBreaker b closed, 0 of 5 failures>"


async def test_a_deadline_does_not_wait_for_a_request_that_will_not_close() -> None:
    stuck = asyncio.Event()

    async def refuse_to_close() -> None:
        while not stuck.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await stuck.wait()

    chain = chain_of(FakeUpstream([refuse_to_close]), FakeUpstream(says("Yes.")), first_token_timeout_s=0.05)
    async with asyncio.timeout(10):
        told = await Told().hear(chain)
    assert told.text == "Yes."
    assert len(chain.stragglers) == 1
    stuck.set()
    await chain.aclose()
    assert len(chain.stragglers) == 0


async def test_nothing_is_left_behind() -> None:
    lines = [
        [Text("a b c"), hold],
        CUT,
        [ModelUnavailableError("down")],
        [Reasoning("x" * 100_000), hold],
        says("Sure, here is the rest:"),
    ]
    before = asyncio.all_tasks()
    for script in lines:
        upstreams = FakeUpstream(script), FakeUpstream(says(" France is Paris."))
        await Told().hear(chain_of(*upstreams, first_token_timeout_s=0.05, idle_timeout_s=0.05, max_output_tokens=9))
        assert [upstream.open for upstream in upstreams] == [0, 0]
    gc.collect()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
