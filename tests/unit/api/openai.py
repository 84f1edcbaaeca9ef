"""The base URL over fake models: what comes from them, and when, is said by the test."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx2
from starlette.types import Receive, Scope, Send

from tests.unit.api.served import Served, serving
from tests.unit.llm.fakes import FakeUpstream, chain_of
from yaoki.api import ApiPolicy
from yaoki.api.v1.api_keys import ApiKeys
from yaoki.api.v1.face import OpenAIFront
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.chain import ChainPolicy

ASK: dict[str, Any] = {"model": "one", "messages": [{"role": "user", "content": "How many ships?"}]}
Serve = Callable[..., AbstractAsyncContextManager[Served]]


@dataclass
class Face:
    """The base URL at an address, and the fakes behind it."""

    served: Served
    http: httpx2.AsyncClient
    upstreams: tuple[FakeUpstream, ...]
    keys: ApiKeys

    async def key(self, name: str = "ann", **limits: Any) -> dict[str, str]:
        """Make a key that is known at once; gives the headers to send with it."""
        table = self.served.store.api_keys
        secret = await table.create(name, limits.pop("owner", name), **limits)
        await self.keys.look()
        return {"authorization": f"Bearer {secret}"}

    async def ask(self, headers: Mapping[str, str] | None = None, **more: Any) -> httpx2.Response:
        return await self.http.post("/v1/chat/completions", json={**ASK, **more}, headers=headers)


def chunks(response: httpx2.Response) -> list[dict[str, Any]]:
    """The events of a streamed answer that came to its end."""
    blocks = [block for block in response.text.split("\n\n") if block]
    assert blocks[-1] == "data: [DONE]", response.text
    return [json.loads(block.removeprefix("data: ")) for block in blocks[:-1] if not block.startswith(":")]


class _Front:
    """The front with the state of the application behind it, as the harness wants it."""

    def __init__(self, served: Served, chains: Mapping[str, Any], keys: ApiKeys) -> None:
        self.state = served.app.state
        self._front = OpenAIFront(served.app, chains, TurnBudget, keys=keys, rng=Random(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._front(scope, receive, send)


@asynccontextmanager
async def faced(
    path: Path,
    *upstreams: FakeUpstream,
    policy: ApiPolicy | None = None,
    ends: ChainPolicy | None = None,
    keys_required: bool = False,
    **expected: Any,
) -> AsyncIterator[Face]:
    """Serve chains called `one` and `two` over these fakes; `expected` is what their policies say."""
    policy = policy or ApiPolicy(heartbeat_s=0.1)
    async with Served.at(path / "yaoki.db", policy) as served:
        keys = ApiKeys(served.store.api_keys, required=keys_required)
        front: Any = _Front(
            served, {name: chain_of(*upstreams, ends=ends, **expected) for name in ("one", "two")}, keys
        )
        async with (
            serving(front, policy) as port,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
        ):
            yield Face(served, http, upstreams, keys)
