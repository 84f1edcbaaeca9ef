"""What a chain adds to a healthy first model's answer, not streamed, beside pydantic-ai's FallbackModel.

`python -m bench.chain_model [--out FOLDER]`. Two kinds of models: one in this process, which says its answer in one
piece, and pydantic-ai's OpenAI model before a provider in memory, with the SDK that everybody has to pay for.
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from bench.figures import costs_over
from bench.gateway.parts import END, EVENTS, WHOLE, WORDS
from yaoki.integrations.pydantic_ai import resilient

CALLS = 300
TEXT = "".join(WORDS)
_ASKED: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart("How many ships?")])]
_PLAIN = ModelRequestParameters()


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
    """Both kinds."""
    return [
        await _added("in this process", _in_process("first"), _in_process("second")),
        await _added("OpenAI's SDK, a provider in memory", _sdk("first"), _sdk("second")),
    ]


async def _added(kind: str, first: Model, second: Model) -> Added:
    bare = _call(first)
    (bare_us,) = await costs_over(_nothing, bare, calls=CALLS)
    fallback_us, chain_us = await costs_over(
        bare, _call(FallbackModel(first, second)), _call(resilient(first, second)), calls=CALLS
    )
    return Added(kind, bare_us, fallback_us, chain_us)


def _call(model: Model) -> Callable[[], Awaitable[object]]:
    async def call() -> object:
        response = await model.request(_ASKED, None, _PLAIN)
        if response.text != TEXT:
            raise RuntimeError(f"{model.model_name} said {response.text!r}")
        return response

    return call


async def _nothing() -> None:
    return


def _in_process(name: str) -> Model:
    def whole(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(TEXT)])

    async def streamed(_messages: list[ModelMessage], _info: AgentInfo) -> Any:
        yield TEXT

    return FunctionModel(whole, stream_function=streamed, model_name=name)


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
