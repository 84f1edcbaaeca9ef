"""The base URL as a plain client sees it, and a server whose fallbacks make of half an answer what they will.

Every chain is `first` (the faulty one), then one fallback. Chains are named by what the fallback does.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.faults.harness import FIRST_TOKEN_S, IDLE_S, Server
from yaoki.faults import ANSWER, Script, ScriptedProvider
from yaoki.faults.script import Behaviour

LONGEST_S = 20.0
NOTHING_KEPT = "[cache]\nmax_entries = 0\n"
"""Settings under which no answer stands in for another: what is asked is always the same."""
QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "How many ships?"}]}
TOOL = {"type": "function", "function": {"name": "charge", "parameters": {"type": "object"}}}
_PREFILLS: tuple[Behaviour, ...] = ("honour", "vllm", "refuse", "ignore", "talk_over", "echo", "overlap")
_INSTRUCTIONS: tuple[Behaviour, ...] = ("refuse", "ignore", "talk_over", "echo", "overlap")


@dataclass(frozen=True, slots=True)
class Fallback:
    """What the second model of a chain makes of half an answer, and how it is asked."""

    name: str
    script: Script
    continuation: str = "auto"


FALLBACKS = [
    *(Fallback(name, Script(prefill=name)) for name in _PREFILLS),
    *(Fallback(f"{name}-forced", Script(prefill=name), "prefill") for name in _PREFILLS),
    *(Fallback(f"{name}-instructed", Script(prefill="refuse", instruction=name)) for name in _INSTRUCTIONS),
]
JOINING = {"honour", "vllm", "refuse", "ignore", "talk_over", "echo", "overlap", "honour-forced"}
"""Chains whose fallback can be brought to go on with half an answer, so that nothing but a whole one will do."""


@dataclass(slots=True)
class Answer:
    """What a client got. A broken connection is told by `broken`, everything else by its own words."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    text: str = ""
    finishes: list[str] = field(default_factory=list[str])
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    error: dict[str, Any] | None = None
    broken: bool = False
    done: bool = False
    usage: dict[str, Any] | None = None
    story: dict[str, Any] = field(default_factory=dict[str, Any])
    ids: set[str] = field(default_factory=set[str])
    beside: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def told(self) -> bool:
        """Whether no client can take it for a whole answer."""
        return self.error is not None and not self.finishes and not self.done

    def assert_whole(self) -> None:
        """Exactly the answer, and one good end."""
        assert (self.text, self.finishes, self.error, self.broken) == (ANSWER, ["stop"], None, False), self
        assert len(self.ids) == 1

    def take(self, chunk: dict[str, Any]) -> None:
        """Take a chunk of a stream, as a client would."""
        assert self.error is None, "something came after the error"
        assert not self.done, "something came after [DONE]"
        if "error" in chunk:
            self.error = chunk["error"]
            return
        self.ids.add(chunk["id"])
        self.usage = chunk.get("usage") or self.usage
        self.story = chunk.get("yaoki") or self.story
        for choice in chunk["choices"]:
            assert not self.finishes, "something came after the finish reason"
            delta = choice["delta"]
            self.text += delta.get("content") or ""
            for name in ("reasoning", "reasoning_content", "refusal"):
                if delta.get(name):
                    self.beside[name] = self.beside.get(name, "") + delta[name]
            self.calls += delta.get("tool_calls") or []
            if choice["finish_reason"]:
                self.finishes.append(choice["finish_reason"])

    def take_whole(self, body: dict[str, Any]) -> None:
        """Take an answer that came at once."""
        if "error" in body:
            self.error = body["error"]
            return
        [choice] = body["choices"]
        self.ids.add(body["id"])
        self.usage, self.story, self.finishes = body["usage"], body["yaoki"], [choice["finish_reason"]]
        self.text = choice["message"]["content"] or ""
        self.calls = choice["message"].get("tool_calls") or []


async def ask(
    http: httpx2.AsyncClient, model: str, *, streamed: bool, shown: asyncio.Event | None = None, **more: Any
) -> Answer:
    """One answer, to its end; `shown` is set with its first chunk."""
    answer = Answer()
    body = {**QUESTION, "model": model, "stream": streamed, **more}
    try:
        async with (
            asyncio.timeout(LONGEST_S),
            http.stream("POST", "/v1/chat/completions", json=body) as response,
        ):
            answer.status, answer.headers = response.status_code, dict(response.headers)
            if not streamed or response.status_code != 200:
                answer.take_whole(json.loads(await response.aread()))
                return answer
            async for line in response.aiter_lines():
                if line == "data: [DONE]":
                    answer.done = True
                elif line.startswith("data: "):
                    answer.take(json.loads(line.removeprefix("data: ")))
                    if shown is not None:
                        shown.set()
    except httpx2.RemoteProtocolError:
        answer.broken = True
    return answer


@dataclass(slots=True)
class Gateway:
    """The server, its faulty first provider, and its fallbacks by name."""

    server: Server
    http: httpx2.AsyncClient
    first: ScriptedProvider
    fallbacks: dict[str, ScriptedProvider]

    async def ask_all(self, **more: Any) -> dict[tuple[str, bool], Answer]:
        """The same question to every chain, streamed and not, all at once."""
        wanted = [(name, streamed) for name in self.fallbacks for streamed in (True, False)]
        answers = await asyncio.gather(*(ask(self.http, name, streamed=streamed, **more) for name, streamed in wanted))
        return dict(zip(wanted, answers, strict=True))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(ScriptedProvider())
        fallbacks = {one.name: await stack.enter_async_context(ScriptedProvider(one.script)) for one in FALLBACKS}
        tables = "".join(_tables(one, first.base_url, fallbacks[one.name].base_url) for one in FALLBACKS)
        server = Server(folder, [first.base_url], NOTHING_KEPT + tables)
        await server.start()
        stack.push_async_callback(server.kill)
        limits = httpx2.Limits(max_connections=None)
        http = httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=LONGEST_S, limits=limits)
        await stack.enter_async_context(http)
        yield Gateway(server, http, first, fallbacks)


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(shared_gateway: Gateway) -> AsyncIterator[Gateway]:
    """The shared one, with a healthy first provider; its log is shown when the test fails."""
    shown = len(shared_gateway.server.log)
    await shared_gateway.first.play(Script())
    shared_gateway.first.requests.clear()
    shared_gateway.first.fired.clear()
    yield shared_gateway
    print(shared_gateway.server.log[shown:][-4_000:])


def _tables(fallback: Fallback, first_url: str, url: str) -> str:
    timeouts = f"first_token_timeout_s = {FIRST_TOKEN_S}\nidle_timeout_s = {IDLE_S}\nmove_back_s = 0\n"
    return (
        f'[models."{fallback.name}"]\nprovider = "openai"\nmodel = "faulty"\nbase_url = "{first_url}"\n'
        f'fallbacks = ["{fallback.name}-next"]\n{timeouts}[breakers."{fallback.name}"]\nthreshold = 10000\n'
        f'[models."{fallback.name}-next"]\nprovider = "openai"\nmodel = "next"\nbase_url = "{url}"\n'
        f'continuation = "{fallback.continuation}"\n{timeouts}[breakers."{fallback.name}-next"]\nthreshold = 10000\n'
        f'[agents."{fallback.name}"]\nmodel = "{fallback.name}"\ninstructions = "Count ships."\n'
    )
