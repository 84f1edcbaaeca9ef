"""What a chain adds to a healthy first model's answer, not streamed, beside pydantic-ai's FallbackModel.

`python -m bench.chain_model [--out FOLDER]`. Models in this process, asked by hand and by an agent, and pydantic-ai's
OpenAI model before a provider in memory, with the SDK that everybody has to pay for.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx2
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.providers.openai import OpenAIProvider

from bench.figures import costs_over
from bench.gateway.parts import END, EVENTS, WHOLE, WORDS
from yaoki.integrations.pydantic_ai import resilient

CALLS = 300
RUNS = 800
"""Of an agent, measured one by one, in turn: what one costs goes up and down by more than a chain adds."""
TEXT = "".join(WORDS)
_ASKED: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart("How many ships?")])]
_PLAIN = ModelRequestParameters()
Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Added:
    """Microseconds of processor time of one kind of model."""

    kind: str
    bare_us: float
    fallback_us: float
    chain_us: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.chain_model", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write chain_model.md there")
    options = parser.parse_args()
    table = "\n".join(_table(asyncio.run(measure())))
    print(table)
    if options.out:
        names = ", ".join(f"{name} {version(name)}" for name in ("pydantic-ai-slim", "openai", "httpx2"))
        page = (Path(__file__).parent / "chain_model.md").read_text()
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "chain_model.md").write_text(page.replace("<table>", table).replace("<versions>", names))


async def measure() -> list[Added]:
    """All kinds."""
    return [
        await _added("`TestModel`", _test, _asked),
        await _added("`FunctionModel`, a coroutine", _function, _asked),
        await _added("`FunctionModel`, a thread", _threaded, _asked),
        await _added("`TestModel`, in `Agent.run`", _test, _run),
        await _added("`FunctionModel`, in `Agent.run`", _function, _run),
        await _added("OpenAI's SDK, a provider in memory", _sdk, _asked),
    ]


async def _added(kind: str, make: Callable[[str], Model], way: Callable[[Model], Call]) -> Added:
    first, second = make("first"), make("second")
    calls = [way(model) for model in (first, FallbackModel(first, second), resilient(first, second))]
    if way is _run:
        bare_us, fallback_us, chain_us = await _medians(calls)
        return Added(kind, bare_us, fallback_us - bare_us, chain_us - bare_us)
    (bare_us,) = await costs_over(_nothing, calls[0], calls=CALLS)
    return Added(kind, bare_us, *await costs_over(*calls, calls=CALLS))


async def _medians(calls: list[Call]) -> list[float]:
    """What each costs, in microseconds of processor time."""
    measured: list[list[int]] = [[] for _ in calls]
    for run in range(RUNS):
        for at in (run % 3, (run + 1) % 3, (run + 2) % 3):
            began = time.process_time_ns()
            await calls[at]()
            measured[at].append(time.process_time_ns() - began)
    return [statistics.median(row) / 1_000 for row in measured]


def _asked(model: Model) -> Call:
    """By hand."""

    async def call() -> object:
        response = await model.request(_ASKED, None, _PLAIN)
        return _checked(response.text, model)

    return call


def _run(model: Model) -> Call:
    """By an agent."""
    agent = Agent(model)

    async def call() -> object:
        return _checked((await agent.run("How many ships?")).output, model)

    return call


def _checked(text: str | None, model: Model) -> str:
    if text != TEXT:
        raise RuntimeError(f"{model.model_name} said {text!r}")
    return text


async def _nothing() -> None:
    return


def _test(name: str) -> Model:
    return TestModel(custom_output_text=TEXT, model_name=name)


def _function(name: str) -> Model:
    async def whole(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(TEXT)])

    return FunctionModel(whole, model_name=name)


def _threaded(name: str) -> Model:
    def whole(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(TEXT)])

    return FunctionModel(whole, model_name=name)


def _sdk(name: str) -> Model:
    http = httpx2.AsyncClient(transport=_Provider())
    client = AsyncOpenAI(base_url="http://provider/v1", api_key="none", http_client=http)
    return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=client))


class _Provider(httpx2.AsyncBaseTransport):
    """Answers in one piece, streamed or not as it is asked."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if json.loads(request.content).get("stream"):
            body, kind = b"".join(EVENTS) + END, "text/event-stream"
        else:
            body, kind = WHOLE, "application/json"
        return httpx2.Response(200, headers={"content-type": kind}, stream=httpx2.ByteStream(body))


def _table(found: list[Added]) -> Iterator[str]:
    yield "| model | the bare call | FallbackModel adds | Yaoki's chain adds | × FallbackModel |"
    yield "|---|---|---|---|---|"
    for one in found:
        ratio = one.chain_us / one.fallback_us
        told = f"{ratio:.2f}" if ratio <= 1.0 else f"**{ratio:.2f}**"
        yield f"| {one.kind} | {one.bare_us:.0f} µs | {one.fallback_us:.0f} µs | {one.chain_us:.0f} µs | {told} |"


if __name__ == "__main__":
    main()
