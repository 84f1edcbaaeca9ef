"""An embedded model as a candidate of the chain."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from yaoki.llm.deltas import Delta, HalfAnswer
from yaoki.llm.local.model import LocalModel, ModelState
from yaoki.llm.upstreams.pydantic_upstream import ChatRequest
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.llm.wire.request import WireRequest

_START_S = 30.0


class LocalUpstream:
    """Streams an embedded model; waits for it while it starts, and says at once that it is down.

    The model's own life is somebody else's business: `aclose` closes connections only.

    Attributes:
        verified: Its streams are watched.
    """

    verified = True

    def __init__(self, model: LocalModel, *, max_output_tokens: int = 1024) -> None:
        self._model = model
        self._openai = openai_upstream(
            model=model.name,
            base_url=lambda: model.base_url,
            api_key=model.api_key,
            max_output_tokens=max_output_tokens,
        )

    async def stream(self, request: ChatRequest | WireRequest, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        """See `Upstream.stream`. The chain's first-token deadline also bounds the wait for a start."""
        if self._model.state is ModelState.STARTING:
            await self._model.wait_ready(_START_S)
        async with aclosing(self._openai.stream(request, half)) as deltas:
            async for delta in deltas:
                yield delta

    async def honours_prefill(self) -> bool:
        """Llama.cpp's server does, whatever the model: nobody need be asked."""
        return True

    async def ping(self) -> None:
        """See `Upstream.ping`."""
        await self._openai.ping()

    async def aclose(self) -> None:
        """Let the connections go."""
        await self._openai.aclose()
