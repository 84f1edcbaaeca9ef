"""What the chain's merge costs for each token, beside the OpenAI SDK's reading of the same stream."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

import httpx2
from openai import AsyncOpenAI

from bench.figures import Figure, cost_over
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.deltas import Delta, Finish, HalfAnswer, Text
from yaoki.resilience.breaker import CircuitBreaker

LIMIT = 0.25


class Sdk:
    """The SDK's own iterator over an endless body in memory, a token for each call."""

    def __init__(self) -> None:
        http = httpx2.AsyncClient(transport=_Transport())
        self._client = AsyncOpenAI(base_url="http://bench/v1", api_key="none", http_client=http)
        self._chunks: AsyncIterator[object] | None = None

    async def token(self) -> None:
        if self._chunks is None:
            stream = await self._client.chat.completions.create(model="m", messages=[], stream=True)
            self._chunks = aiter(stream)
        await anext(self._chunks)


class Merge:
    """The chain over an upstream that costs next to nothing, a token for each call."""

    def __init__(self) -> None:
        policy = CandidatePolicy(max_output_tokens=10**9)
        candidate = Candidate(name="m", upstream=_Upstream(), breaker=CircuitBreaker("m"), policy=policy)
        self._chain = Chain([candidate])
        self._items: AsyncIterator[object] | None = None

    async def token(self) -> None:
        if self._items is None:
            self._items = self._chain.stream(None, TurnBudget(deadline_s=3600.0))
        await anext(self._items)


def figures() -> Iterator[Figure]:
    """One token through each."""
    merge_us, sdk_us = cost_over(_way_given, Merge().token, Sdk().token)
    yield Figure(
        name="yaoki chain: one token through gate, guard and deadlines",
        cost_us=merge_us,
        reference="openai SDK, the same token",
        reference_us=sdk_us,
        limit=LIMIT,
    )


async def _way_given() -> None:
    await asyncio.sleep(0)


class _Upstream:
    async def stream(self, request: object, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        del request, half
        number = 0
        while number < 10**9:
            number += 1
            await asyncio.sleep(0)
            yield Text(f" word{number}")
        yield Finish("stop")

    async def honours_prefill(self) -> bool:
        return True

    async def ping(self) -> None:
        return

    async def aclose(self) -> None:
        return


class _Body(httpx2.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number in range(10**9):
            await asyncio.sleep(0)
            delta = {"index": 0, "delta": {"content": f" word{number}"}, "finish_reason": None}
            chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [delta]}
            yield b"data: " + json.dumps(chunk).encode() + b"\n\n"


class _Transport(httpx2.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        del request
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=_Body())
