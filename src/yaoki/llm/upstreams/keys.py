"""Several keys for one model: a refused one is parked, and the next one is used.

    current    the first key that is not parked; if all are, the one that comes back first
    parked     for as long as the provider asks, else `PARK_S` by the kind of refusal

A refusal is attributed to the key that the request went out with, whatever has become current since.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from yaoki.errors import AIOrchestrationError
from yaoki.llm.chain.candidates import PARK_S
from yaoki.llm.deltas import Delta, HalfAnswer, Upstream
from yaoki.llm.failures import ANOTHER_KEY, refuses_key
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock


class KeyedUpstream:
    """One model behind several keys.

    Args:
        upstreams: The same model, each with a key of its own; at least one.
    """

    def __init__(self, upstreams: Sequence[Upstream], *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._upstreams = tuple(upstreams)
        self._until = [0.0] * len(self._upstreams)
        self._clock = clock

    @property
    def usable(self) -> int:
        """Keys that are not parked."""
        return sum(until <= self._clock.monotonic() for until in self._until)

    async def stream(self, request: Any, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        """See `Upstream.stream`. A refused key is parked; `facts["another_key"]` then says whether one is left."""
        key = self._current()
        try:
            async with aclosing(self._upstreams[key].stream(request, half)) as deltas:
                async for delta in deltas:
                    yield delta
        except AIOrchestrationError as error:
            self._park(key, error)
            raise

    async def honours_prefill(self) -> bool:
        """See `Upstream.honours_prefill`."""
        return await self._upstreams[self._current()].honours_prefill()

    async def ping(self) -> None:
        """See `Upstream.ping`."""
        key = self._current()
        try:
            await self._upstreams[key].ping()
        except AIOrchestrationError as error:
            self._park(key, error)
            raise

    async def aclose(self) -> None:
        """Close all of them."""
        for upstream in self._upstreams:
            await upstream.aclose()

    def _current(self) -> int:
        now = self._clock.monotonic()
        return min(range(len(self._until)), key=lambda key: (max(0.0, self._until[key] - now), key))

    def _park(self, key: int, error: AIOrchestrationError) -> None:
        if refuses_key(error):
            self._until[key] = self._clock.monotonic() + (error.retry_after_s or PARK_S[error.kind])
            error.facts[ANOTHER_KEY] = self.usable > 0
