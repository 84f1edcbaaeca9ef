"""The base URL's own way to a provider whose name moves or goes while an answer is on its way. No real DNS is asked."""

import asyncio
import socket
from contextlib import aclosing
from typing import Any

import pytest

from tests.unit.llm.fakes import Told
from yaoki.errors import ModelAllFailedError
from yaoki.faults import ANSWER, Script, ScriptedProvider
from yaoki.faults.listener import HOST
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.deltas import Finish
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.llm.wire.request import WireRequest
from yaoki.resilience.breaker import CircuitBreaker

NAME = "moving.test"
POLICY = CandidatePolicy(first_token_timeout_s=5.0, idle_timeout_s=5.0)
REQUEST = WireRequest({"model": "m", "messages": [{"role": "user", "content": "How many ships?"}]})


class Resolver:
    """Says where `NAME` is now, which may be nowhere.

    Attributes:
        ports: By which it is known; the last one stays.
        asked: How often.
    """

    def __init__(self, *ports: int | None) -> None:
        self.ports = list(ports)
        self.asked = 0

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> list[tuple[Any, ...]]:
        assert host == NAME
        self.asked += 1
        found = self.ports.pop(0) if len(self.ports) > 1 else self.ports[0]
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (HOST, found))]


def port_of(provider: ScriptedProvider) -> int:
    return int(provider.base_url.removesuffix("/v1").rpartition(":")[2])


async def hear(*urls: str) -> Told:
    """Everything that a chain over these says."""
    told = Told()
    chain = Chain(
        [
            Candidate(
                name=f"m{at}",
                upstream=openai_upstream(model="m", base_url=url),
                breaker=CircuitBreaker(f"m{at}"),
                policy=POLICY,
            )
            for at, url in enumerate(urls)
        ]
    )
    try:
        async with asyncio.timeout(20), aclosing(chain.stream(REQUEST, TurnBudget())) as items:
            async for item in items:
                told.items.append(item)
    finally:
        await chain.aclose()
    return told


async def failed_and_gone(provider: ScriptedProvider) -> None:
    """Wait until it has failed, then refuse every connection."""
    await provider.until(lambda it: bool(it.fired))
    await provider.play(Script(fault="refused"))


@pytest.mark.requirement("M6", "M7", "M11", "P-3")
async def test_a_name_that_has_moved_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedProvider(Script(fault="cut_mid_stream")) as old, ScriptedProvider() as new:
        resolver = Resolver(port_of(old), port_of(new))
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver.getaddrinfo)
        going = asyncio.create_task(failed_and_gone(old))
        told = await hear(f"http://{NAME}/v1")
        await going
        assert (told.text, told.items[-1], len(old.asked), len(new.asked)) == (ANSWER, Finish("stop"), 1, 1)
    assert resolver.asked == 2


@pytest.mark.requirement("M6", "M7", "P-2")
async def test_a_name_that_is_gone_between_two_attempts_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedProvider(Script(fault="http_500")) as old:
        resolver = Resolver(port_of(old), None)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver.getaddrinfo)
        going = asyncio.create_task(failed_and_gone(old))
        with pytest.raises(ModelAllFailedError) as failed:
            await hear(f"http://{NAME}/v1")
        await going
    assert (len(old.asked), resolver.asked) == (1, 2)
    assert {attempt["kind"] for attempt in failed.value.facts["attempts"]} == {"model.unavailable"}
