"""One stream through each of the faces: the chain itself, an agent of somebody's own, the base URL."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from pydantic_ai import Agent
from pydantic_ai.exceptions import ContentFilterError, UnexpectedModelBehavior

from tests.streams.scenario import Scenario
from tests.streams.virtual_time import LoopClock, VirtualLoop
from tests.streams.wires import PlayedWire, played_sdk
from tests.streams.world import Player, World
from yaoki.api.admission import Admission
from yaoki.api.policy import ApiPolicy
from yaoki.api.services import Services
from yaoki.api.tickets import Tickets
from yaoki.api.v1.api_keys import ApiKeys
from yaoki.api.v1.face import OpenAIFront
from yaoki.api.wire import WIRE, Wire
from yaoki.errors import AgentTurnBudgetSpentError, ModelAllFailedError
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain_model import ChainModel
from yaoki.llm.deltas import Finish, Item, Restart, Text, ToolCall
from yaoki.llm.wire.request import WireRequest
from yaoki.resilience.breaker import CircuitBreaker

DEADLINE_S = 400.0
ATTEMPTS = 14
_TOOL = {"type": "function", "function": {"name": "charge", "parameters": {"type": "object"}}}
_QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "Tell me."}]}
_CONTINUATIONS = {"prefill": "prefill", "instruction": "instruction", "off": "off"}
_POLICY = ApiPolicy()


@dataclass(slots=True)
class Seen:
    """What a person, or a program, got of one stream.

    Attributes:
        text: What stands on the page.
        finish: The end as it was told; None without one.
        error: The kind of the failure that was told.
        restarts: How often the page was emptied.
        took_s: Seconds on the loop's clock.
        wrong: What no stream may do whatever happened: a second end, something after the end.
    """

    text: str = ""
    calls: list[str] = field(default_factory=list[str])
    finish: str | None = None
    error: str | None = None
    restarts: int = 0
    took_s: float = 0.0
    wrong: str = ""
    why: str = ""

    def take(self, item: Item) -> None:
        """Take an item of the chain."""
        if self.finish is not None:
            self.wrong = f"{item} came after the end"
        match item:
            case Text():
                self.text += item.text
            case Restart():
                self.text = ""
                self.restarts += 1
            case ToolCall():
                self.calls.append(item.arguments)
            case Finish():
                self.finish = item.reason
            case _:
                pass


def chain_over(world: World, upstream_of: Callable[[Player], Any], policy: CandidatePolicy | None = None) -> Chain:
    """A chain over the players of a world, each behind an upstream of this kind."""
    clock = LoopClock()
    candidates: list[Candidate] = []
    for player in world.players():
        name, mode = f"m{player.number}", player.plan.mode
        continuation = cast("Any", _CONTINUATIONS.get(mode, "auto"))
        one = Candidate(
            name=name,
            upstream=upstream_of(player),
            breaker=CircuitBreaker(name, clock=clock),
            policy=policy or CandidatePolicy(continuation=continuation, move_back_s=0.0, max_output_tokens=1024),
            clock=clock,
        )
        one._honours_prefill = mode == "honoured"
        candidates.append(one)
    return Chain(candidates, rng=random.Random(world.scenario.seed))


def asked(scenario: Scenario) -> dict[str, Any]:
    """The request's body."""
    return {**_QUESTION, **({"tools": [_TOOL]} if scenario.calls else {})}


async def through_core(world: World) -> Seen:
    """The chain itself, on the lean wire."""
    seen, scenario = Seen(), world.scenario
    chain = chain_over(world, PlayedWire)
    budget = _budget()
    try:
        async with aclosing(chain.stream(WireRequest(asked(scenario)), budget, hold_text=scenario.hold)) as items:
            async for item in items:
                seen.take(item)
    except (ModelAllFailedError, AgentTurnBudgetSpentError) as error:
        seen.error, seen.why = error.kind, str(error.__cause__)
    finally:
        await chain.aclose()
    return seen


async def _unwatched(agent: Agent[None, str]) -> str:
    return (await agent.run("Tell me.")).output


async def _watched(agent: Agent[None, str]) -> str:
    async with agent.iter("Tell me.") as run:
        async for node in run:
            if Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as stream:
                    async for _ in stream:
                        pass
    return run.result.output if run.result is not None else ""


async def through_agent(world: World) -> Seen:
    """A `ChainModel` inside an agent, on the SDK; every second one is watched by pydantic-ai while it grows."""
    seen, charged = Seen(), list[str]()
    chain = chain_over(world, played_sdk)

    async def sink(item: Item) -> None:
        if not isinstance(item, ToolCall):  # what counts is whether the tool runs
            seen.take(item)

    async def charge(amount: int) -> str:
        charged.append(json.dumps({"amount": amount}))
        raise _ChargedError

    tools = [charge] if world.scenario.calls else []
    try:
        agent = Agent(ChainModel(chain, _budget(), sink=sink), tools=tools)
        run = _watched if world.scenario.seed % 2 else _unwatched
        output = await run(agent)
        if seen.finish == "stop" and output != seen.text:
            seen.wrong = f"the agent got {output!r}"
    except _ChargedError:
        seen.calls = charged[:]
    except (ModelAllFailedError, AgentTurnBudgetSpentError) as error:
        seen.error = error.kind
    except (
        UnexpectedModelBehavior,
        ContentFilterError,
    ) as error:  # pydantic-ai's own word for an end without an answer
        if seen.finish not in ("length", "content_filter"):
            seen.wrong = repr(error)
    finally:
        await chain.aclose()
    return seen


class _ChargedError(Exception):
    """The tool ran: nothing after it is of interest."""


class _Client:
    """A client of the base URL: takes what ASGI sends, and stays until it has all."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self.status = 0
        self.data = b""
        self.ended = self.broken = False
        self._left = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.data += message.get("body", b"")
            self.ended = not message.get("more_body", False)

    def leave(self) -> None:
        """The connection is gone."""
        self.broken = True
        self._left.set()


class _Line(asyncio.Transport):
    """The connection beneath a client, who takes everything at once."""

    def __init__(self, client: _Client) -> None:
        super().__init__()
        self._client = client
        self.wire = Wire(self)

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self._client.leave()
        self.wire.lost()

    abort = close


def _services() -> Services:
    clock = LoopClock()
    rng = random.Random(1)
    return Services(
        orchestrator=cast("Any", _Open()),
        policy=_POLICY,
        metrics=lambda: (b"", ""),
        rng=rng,
        admission=Admission(_POLICY, rng, clock),
        tickets=Tickets(_POLICY.ticket_s, clock),
        clock=clock,
    )


def _budget(**limits: Any) -> TurnBudget:
    return TurnBudget(DEADLINE_S, ATTEMPTS, clock=LoopClock(), **limits)


class _Open:
    """As much of an orchestrator as the base URL asks for."""

    draining = False


async def through_v1(world: World, *, streamed: bool) -> Seen:
    """The base URL, as plain ASGI."""
    chain = chain_over(world, PlayedWire)
    scenario = world.scenario
    app = SimpleNamespace(state=SimpleNamespace(services=_services()))
    keys = ApiKeys(cast("Any", None), required=False)
    face = OpenAIFront(cast("Any", app), {"one": chain}, _budget, keys=keys, rng=random.Random(1))
    form = {"response_format": {"type": "json_object"}} if scenario.hold else {}
    client = _Client(json.dumps({**asked(scenario), **form, "model": "one", "stream": streamed}).encode())
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "headers": [(b"host", b"127.0.0.1")],
        "extensions": {WIRE: _Line(client).wire},
    }
    try:
        await face(cast("Any", scope), client.receive, client.send)
    finally:
        await chain.aclose()
    return _seen_by(client, streamed=streamed)


def _seen_by(client: _Client, *, streamed: bool) -> Seen:
    seen = Seen()
    if client.status != 200 or not streamed:
        body = json.loads(client.data)
        if "error" in body:
            seen.error = body["error"]["code"]
            seen.wrong = "" if client.status >= 400 else f"an error with {client.status}"
            return seen
        choice = body["choices"][0]
        seen.text, seen.finish = choice["message"]["content"] or "", choice["finish_reason"]
        seen.restarts = body["yaoki"]["restarted"]
        _take_calls(seen, choice["message"].get("tool_calls") or [])
        return seen
    done = False
    for line in client.data.split(b"\n\n"):
        if not line.startswith(b"data: "):
            continue
        if done or seen.error:
            seen.wrong = "something came after the end"
        if line == b"data: [DONE]":
            done = True
        else:
            _take_chunk(seen, json.loads(line[6:]))
    if seen.error is None and not (done and client.ended):
        seen.wrong = "the stream ended without an end and without an error"
    if seen.error is not None and (not client.broken or seen.finish):
        seen.wrong = "an error inside a stream that ends like a whole one"
    return seen


def _take_chunk(seen: Seen, chunk: dict[str, Any]) -> None:
    if "error" in chunk:
        seen.error = chunk["error"]["code"]
        return
    for choice in chunk["choices"]:
        if seen.finish is not None:
            seen.wrong = "something came after the finish reason"
        seen.text += choice["delta"].get("content") or ""
        _take_calls(seen, choice["delta"].get("tool_calls") or [])
        seen.finish = choice["finish_reason"]


def _take_calls(seen: Seen, calls: Sequence[dict[str, Any]]) -> None:
    seen.calls += [call["function"]["arguments"] for call in calls]


_WAYS: dict[str, Callable[[World], Any]] = {
    "core": through_core,
    "agent": through_agent,
    "v1": lambda world: through_v1(world, streamed=True),
    "v1 whole": lambda world: through_v1(world, streamed=False),
}


def played(scenario: Scenario) -> tuple[World, Seen]:
    """Play a scenario in virtual time; returns what happened and what was seen."""
    world = World(scenario)

    async def play() -> Seen:
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(DEADLINE_S * 3):
            seen = await _WAYS[scenario.face](world)
        seen.took_s = asyncio.get_running_loop().time() - began
        return cast("Seen", seen)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        try:
            return world, runner.run(play())
        except TimeoutError:
            return world, Seen(wrong="it hung")
