"""Upstreams for providers whose streams we can watch.

SDK retries are off, redirects are not followed, compressed answers are not asked for, and no proxy is taken from the
environment: everything between the chain and the provider is in sight.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import httpx2
from pydantic_ai.models import Model

from yaoki.llm.deltas import Delta, HalfAnswer, Text
from yaoki.llm.seams.continuing import PING, PROBE_PREFIX, PROBE_QUESTION, PROBE_TOKENS, Prefill, is_prefilled
from yaoki.llm.upstreams.pydantic_upstream import ChatRequest
from yaoki.llm.wire.connections import OPENAI_URL
from yaoki.llm.wire.request import WireRequest
from yaoki.llm.wire.wire import Wire

if TYPE_CHECKING:
    from yaoki.llm.upstreams.openai_chat import OpenAIChat


_made: WeakSet["OpenAIUpstream"] = WeakSet()


class OpenAIUpstream:
    """A watched model that speaks OpenAI's chat completions, at an address that may change.

    What comes in OpenAI's own words goes by the wire, and so do our own small questions; what an agent asks goes
    through pydantic-ai and the SDK, which are imported when the first agent does, see `agents_may_ask`.

    Args:
        wire: The way without an SDK.
        make_chat: Makes the way through it; called once.
        prefill: How the backend wants a prefill; shared by both ways.
        limit_field: What the provider calls the limit to an answer's length.

    Attributes:
        verified: Its streams are watched.
    """

    verified = True

    def __init__(self, wire: Wire, make_chat: Callable[[], "OpenAIChat"], prefill: Prefill, limit_field: str) -> None:
        _made.add(self)
        self._wire = wire
        self._make_chat = make_chat
        self._chat: OpenAIChat | None = None
        self._prefill = prefill
        self._limit_field = limit_field

    @property
    def model(self) -> Model:
        """The model that agents ask."""
        return self._made().model

    def stream(self, request: ChatRequest | WireRequest, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        """See `Upstream.stream`. An address that is not known now raises `ModelUnavailableError`."""
        return self._wire.stream(request, half) if isinstance(request, WireRequest) else self._agents(request, half)

    async def _agents(self, request: ChatRequest, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        async with aclosing(self._made().stream(request, half)) as deltas:
            async for delta in deltas:
                yield delta

    async def honours_prefill(self) -> bool:
        """See `Upstream.honours_prefill`. Tries the plain way and vLLM's, and remembers which one works."""
        return await self._prefill.learn(self._goes_on)

    async def ping(self) -> None:
        """See `Upstream.ping`."""
        await self._ask([{"role": "user", "content": PING}], 1, {})

    async def aclose(self) -> None:
        """Close all connections."""
        if self._chat is not None:
            await self._chat.aclose()
        await self._wire.aclose()

    def _made(self) -> "OpenAIChat":
        if self._chat is None:
            self._chat = self._make_chat()
        return self._chat

    async def _goes_on(self, body: dict[str, Any]) -> bool:
        question = {"role": "user", "content": PROBE_QUESTION}
        return is_prefilled(
            await self._ask([question, {"role": "assistant", "content": PROBE_PREFIX}], PROBE_TOKENS, body)
        )

    async def _ask(self, messages: Sequence[dict[str, str]], max_tokens: int, body: dict[str, Any]) -> str:
        """The text of a short answer."""
        request = WireRequest({"messages": messages, self._limit_field: max_tokens, **body})
        async with aclosing(self._wire.stream(request, None)) as deltas:
            return "".join([delta.text async for delta in deltas if isinstance(delta, Text)])


async def agents_may_ask() -> None:
    """Import the SDK, if there is a model that agents need it for and nobody has: a fifth of a second, once.

    It happens in a thread, so that no stream of others waits for it, and before a request's deadlines begin.
    """
    if _made and "openai" not in sys.modules:
        await asyncio.to_thread(import_module, "yaoki.llm.upstreams.openai_chat")


def openai_upstream(
    *,
    model: str,
    base_url: str | Callable[[], str] = OPENAI_URL,
    api_key: str = "",
    max_output_tokens: int = 4096,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> OpenAIUpstream:
    """An upstream for one model behind OpenAI's protocol.

    Args:
        model: The provider's name of the model.
        base_url: Ends in `/v1` as a rule. A callable is asked before each request, and may raise
            `ModelUnavailableError`.
        api_key: Empty where the server wants none; `OPENAI_API_KEY` is never read.
        max_output_tokens: Asked of the provider, and enforced where it does not listen.
        transport: What talks under the SDK's watcher; by default HTTP/1.1 with a pool of its own.
    """
    prefill = Prefill()
    limit_field = "max_completion_tokens" if base_url == OPENAI_URL else "max_tokens"

    def make_chat() -> "OpenAIChat":
        from yaoki.llm.upstreams.openai_chat import OpenAIChat  # noqa: PLC0415 - 15 MB that only agents need

        return OpenAIChat(
            model,
            base_url,
            api_key,
            max_output_tokens=max_output_tokens,
            prefill=prefill,
            transport=transport,
        )

    wire = Wire(
        model=model,
        base_url=base_url if callable(base_url) else lambda: base_url,
        api_key=api_key,
        max_output_tokens=max_output_tokens,
        limit_field=limit_field,
        prefill=prefill,
    )
    return OpenAIUpstream(wire, make_chat, prefill, limit_field)
