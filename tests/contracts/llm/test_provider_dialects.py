"""Models that do not speak OpenAI in the chain, over real sockets: judged as strictly as those that do.

Each test plays one behaviour in every dialect at the same time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from pydantic_ai import Agent

from tests.faults.dialect_provider import RETRY_AFTER_S, DialectProvider, Says
from tests.faults.dialects import DIALECTS, INPUT_TOKENS, OUTPUT_TOKENS
from tests.unit.llm.fakes import Told
from yaoki.errors import ModelAllFailedError
from yaoki.faults import ANSWER, Script, ScriptedProvider
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain_model import ChainModel
from yaoki.llm.deltas import Continuation, Failover, Finish, Item, Text, ToolCall, Usage
from yaoki.llm.upstreams.providers import provider_upstream
from yaoki.llm.upstreams.pydantic_upstream import PydanticUpstream
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.llm.wire.request import WireRequest
from yaoki.resilience.breaker import CircuitBreaker
from yaoki.resilience.clock import SYSTEM_CLOCK

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONGEST_S = 30.0
FAILOVER_S = 10.0
"""Far more than a failover takes, on a machine that is busy with everything else."""
POLICY = CandidatePolicy(first_token_timeout_s=1.0, idle_timeout_s=1.5)  # longer than Google's last words may take
ASK: dict[str, Any] = {"model": "one", "messages": [{"role": "user", "content": "How many ships?"}]}
TOOL = {"type": "function", "function": {"name": "charge", "parameters": {"type": "object", "properties": {}}}}
CALL = ("charge", {"amount": 12})

CUT = {
    "cut": "model.truncated",
    "reset": "model.truncated",
    "unfinished": "model.truncated",
    "broken_off": "model.truncated",
    "error": "model.overloaded",
    "damaged": "model.malformed",
    "stall": "model.timeout",
    "drip": "model.timeout",
}
BEFORE = {
    "rate_limited": "model.rate_limited",
    "spent": "model.quota_exceeded",
    "unauthorized": "model.authentication",
    "not_found": "model.not_found",
    "too_long": "model.context_overflow",
    "overloaded": "model.overloaded",
    "broken": "model.unavailable",
    "page": "model.malformed",
    "hang": "model.timeout",
    "mute": "model.timeout",
    "pings": "model.timeout",
    "empty": "model.empty",
}
WORDLESS = {("cohere", "error"): "model.unavailable", ("cohere", "broken_off"): "model.unavailable"}
"""Cohere's errors in a stream have no code."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A scripted provider, and an upstream that asks it."""

    provider: DialectProvider | ScriptedProvider
    upstream: PydanticUpstream


@dataclass(frozen=True, slots=True)
class Stage:
    """What all tests share: two providers of each dialect, and one that speaks OpenAI."""

    firsts: dict[str, Wire]
    seconds: dict[str, Wire]
    openai: Wire

    async def each(
        self, says: Says, heard: Callable[[str], Awaitable[Any]], *, then: Says | Script | None = None
    ) -> dict[str, Any]:
        """What comes of one behaviour in every dialect that has it.

        Args:
            then: What the others do.
        """
        for name in DIALECTS:
            self.dialect(name).play(says)
            self.dialect(name, second=True).play(then if isinstance(then, Says) else Says())
        await self.scripted.play(then if isinstance(then, Script) else Script())
        names = [name for name in DIALECTS if plays(name, says.fault, says.end)]
        async with asyncio.timeout(LONGEST_S):
            return dict(zip(names, await asyncio.gather(*map(heard, names)), strict=True))

    def dialect(self, name: str, *, second: bool = False) -> DialectProvider:
        provider = (self.seconds if second else self.firsts)[name].provider
        assert isinstance(provider, DialectProvider)
        return provider

    @property
    def scripted(self) -> ScriptedProvider:
        assert isinstance(self.openai.provider, ScriptedProvider)
        return self.openai.provider


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
                environment.setenv(name, "eu-central-1")
            firsts = {name: await _wire(stack, name) for name in DIALECTS}
            seconds = {name: await _wire(stack, name) for name in DIALECTS}
        scripted = await stack.enter_async_context(ScriptedProvider())
        upstream = openai_upstream(model="m", base_url=scripted.base_url)
        stack.push_async_callback(upstream.aclose)
        yield Stage(firsts, seconds, Wire(scripted, upstream))


async def _wire(stack: AsyncExitStack, name: str) -> Wire:
    provider = await stack.enter_async_context(DialectProvider(name))
    key = "" if name == "bedrock" else "sk-1"  # its SDK sends keys over TLS only
    upstream = provider_upstream(name, model=provider.dialect.model, base_url=provider.base_url, api_key=key)
    stack.push_async_callback(upstream.aclose)
    return Wire(provider, upstream)


def plays(name: str, fault: str | None, end: str = "stop") -> bool:
    """Whether the dialect has a way to do that."""
    dialect = DIALECTS[name]
    missing = (fault == "spent" and "spent" not in dialect.refusals) or (
        fault == "broken_off" and "error" not in dialect.words
    )
    return not missing and end in dialect.words


def chained(*wires: Wire) -> Chain:
    """A chain over upstreams that others close."""
    return Chain(
        [
            Candidate(name=name, upstream=wire.upstream, breaker=CircuitBreaker(name), policy=POLICY)
            for name, wire in zip("ab", wires, strict=False)
        ]
    )


async def hear(*wires: Wire, **more: Any) -> Told:
    told, request = Told(), WireRequest({**ASK, **more})
    async for item in chained(*wires).stream(request, TurnBudget(), about=request.about()):
        told.items.append(item)
    return told


async def unheard(item: Item) -> None:
    """An agent's listener that nobody is behind."""


async def test_a_healthy_answer_with_its_usage_and_its_end(stage: Stage) -> None:
    async def heard(name: str) -> Any:
        told = await hear(stage.firsts[name], max_tokens=500)
        rest = [item for item in told.items if not isinstance(item, Text)]
        return told.text == ANSWER, [type(item) for item in rest], told.of(Usage)[0], told.items[-1]

    spent = Usage(INPUT_TOKENS, OUTPUT_TOKENS)
    whole = (True, [Usage, Finish], spent, Finish("stop"))
    assert await stage.each(Says(), heard) == dict.fromkeys(DIALECTS, whole)


@pytest.mark.requirement("M10", "M11", "M12", "M13", "M14", "P-2", "P-3")
@pytest.mark.parametrize("fault", CUT)
async def test_half_an_answer_is_finished_by_openais_and_keeps_its_kind(stage: Stage, fault: str) -> None:
    async def heard(name: str) -> Any:
        told = await hear(stage.firsts[name], stage.openai)
        [left] = told.of(Failover)
        return told.text, left.kind, left.mid_stream, len(told.of(Continuation)), told.items[-1]

    came = await stage.each(Says(fault=fault), heard)
    for name, found in came.items():
        kind = WORDLESS.get((name, fault), CUT[fault])
        assert found[:2] == (ANSWER, kind), name
        if fault != "reset":  # which may take away what was not yet read, all of it where the reader is slow
            assert found[2:] == (True, 1, Finish("stop")), name


@pytest.mark.requirement("M11", "P-2", "P-3")
@pytest.mark.parametrize("fault, prefill", [("cut_mid_stream", True), ("error_event", False)])
async def test_half_an_answer_of_openais_is_finished_in_every_dialect(
    stage: Stage, fault: str, *, prefill: bool
) -> None:
    async def heard(name: str) -> Any:
        told = await hear(stage.openai, stage.firsts[name])
        return told.text, [item.mode for item in told.of(Continuation)], told.items[-1]

    came = await stage.each(Says(prefill=prefill), heard, then=Script(fault=fault))
    assert came == dict.fromkeys(DIALECTS, (ANSWER, ["prefill" if prefill else "instruction"], Finish("stop")))


@pytest.mark.requirement("M1", "M3", "M4", "M5", "M9", "M10", "M15", "M16", "M22", "M23", "M24")
@pytest.mark.parametrize("fault", BEFORE)
async def test_a_failure_before_the_first_word_has_its_kind_and_the_next_model_answers_in_time(
    stage: Stage, fault: str
) -> None:
    async def heard(name: str) -> Any:
        began = SYSTEM_CLOCK.monotonic()
        told = await hear(stage.firsts[name], stage.openai)
        assert SYSTEM_CLOCK.monotonic() - began < POLICY.first_token_timeout_s + FAILOVER_S
        [left] = told.of(Failover)
        return told.text, left.kind, left.mid_stream

    says = Says(text="") if fault == "empty" else Says(fault=fault)
    came = await stage.each(says, heard)
    assert came == dict.fromkeys(came, (ANSWER, BEFORE[fault], False))


@pytest.mark.requirement("P-2", "P-7")
@pytest.mark.parametrize("fault", ["unfinished", "page", "unauthorized"])
async def test_without_a_fallback_it_is_told_and_never_passed_off(stage: Stage, fault: str) -> None:
    async def heard(name: str) -> Any:
        with pytest.raises(ModelAllFailedError) as failed:
            await hear(stage.firsts[name])
        return tuple({attempt["kind"] for attempt in failed.value.facts["attempts"]})

    came = await stage.each(Says(fault=fault), heard)
    assert came == dict.fromkeys(DIALECTS, ({**CUT, **BEFORE}[fault],))


@pytest.mark.requirement("M1")
async def test_a_refusal_that_says_how_long_is_obeyed(stage: Stage) -> None:
    async def heard(name: str) -> Any:
        provider, began = stage.dialect(name), SYSTEM_CLOCK.monotonic()
        hearing = asyncio.create_task(hear(stage.firsts[name]))
        while not provider.asked:
            await asyncio.sleep(0)
        provider.play(Says())
        return (await hearing).text, SYSTEM_CLOCK.monotonic() - began >= RETRY_AFTER_S

    came = await stage.each(Says(fault="rate_limited"), heard)
    assert came == dict.fromkeys(DIALECTS, (ANSWER, True))


async def test_who_leaves_in_the_middle_takes_the_connection_along(stage: Stage) -> None:
    async def heard(name: str) -> None:
        chain, request = chained(stage.firsts[name]), WireRequest(ASK)
        async with aclosing(chain.stream(request, TurnBudget(), about=request.about())) as items:
            async for item in items:
                if isinstance(item, Text):
                    break
        while not stage.dialect(name).left:
            await asyncio.sleep(0.01)

    await stage.each(Says(fault="stall"), heard)


@pytest.mark.requirement("M28")
@pytest.mark.parametrize("fault", ["left_open", "late_cut"])
async def test_what_happens_to_the_connection_after_the_end_costs_nothing(stage: Stage, fault: str) -> None:
    async def heard(name: str) -> Any:
        told = await hear(stage.firsts[name], stage.openai)
        return told.text, bool(told.of(Failover)), len(stage.dialect(name).asked)

    came = await stage.each(Says(fault=fault), heard)
    assert came == dict.fromkeys(DIALECTS, (ANSWER, False, 1))


@pytest.mark.requirement("M18", "M19")
@pytest.mark.parametrize(
    "end, reason, text",
    [("length", "length", ANSWER), ("filter", "content_filter", ANSWER), ("filter", "content_filter", "")],
)
async def test_its_words_for_the_end_are_told_in_ours(stage: Stage, end: str, reason: Any, text: str) -> None:
    async def heard(name: str) -> Any:
        return (await hear(stage.firsts[name], max_tokens=50)).items[-1]

    came = await stage.each(Says(end=end, text=text), heard)
    assert came == dict.fromkeys(came, Finish(reason))


@pytest.mark.requirement("M27")
@pytest.mark.parametrize("fault", [None, "cut", "reset", "error"])
async def test_a_call_comes_whole_from_whoever_gives_it_whole(stage: Stage, fault: str | None) -> None:
    says: dict[str, Any] = {"text": "I look. ", "calls": [CALL]}

    async def heard(name: str) -> Any:
        told = await hear(stage.firsts[name], stage.seconds[name], tools=[TOOL])
        calls = [(call.name, call.arguments.replace(" ", "")) for call in told.of(ToolCall)]
        return told.text, calls, told.items[-1], bool(told.of(Failover))

    came = await stage.each(Says(fault=fault, **says), heard, then=Says(**says))
    whole = ("I look. ", [("charge", '{"amount":12}')], Finish("tool_calls"), fault is not None)
    assert came == dict.fromkeys(DIALECTS, whole)


@pytest.mark.requirement("M11", "M12", "M13", "P-2", "P-3")
@pytest.mark.parametrize("fault", [None, "cut", "reset", "error", "stall", "page", "rate_limited"])
async def test_an_agent_gets_it_whole(stage: Stage, fault: str | None) -> None:
    async def heard(name: str) -> Any:
        model = ChainModel(chained(stage.firsts[name], stage.openai), TurnBudget(LONGEST_S, 8), sink=unheard)
        whole = (await Agent(model).run("How many ships?")).output
        async with Agent(model).run_stream("How many ships?") as streamed:
            return whole, await streamed.get_output()

    assert await stage.each(Says(fault=fault), heard) == dict.fromkeys(DIALECTS, (ANSWER, ANSWER))


@pytest.mark.requirement("M27")
@pytest.mark.parametrize("fault", [None, "cut", "error"])
async def test_an_agents_tool_is_called_once_with_all_its_arguments(stage: Stage, fault: str | None) -> None:
    calling = Says(text="", calls=[CALL])

    async def heard(name: str) -> Any:
        charged: list[int] = []

        async def charge(amount: int) -> str:
            charged.append(amount)
            for second in (False, True):
                stage.dialect(name, second=second).play(Says())
            return "charged"

        chain = chained(stage.firsts[name], stage.seconds[name])
        agent = Agent(ChainModel(chain, TurnBudget(LONGEST_S, 8), sink=unheard), tools=[charge])
        return (await agent.run("Charge 12.")).output, charged

    came = await stage.each(Says(fault=fault, text="", calls=[CALL]), heard, then=calling)
    assert came == dict.fromkeys(DIALECTS, (ANSWER, [12]))
