"""Models that cannot even be reached: names that do not resolve, certificates that nobody vouches for."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.chain_bench import FAILOVER_S, FIRST_TOKEN_S, Bench, Told
from yaoki.faults import ANSWER, Script
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain.notices import AttemptFailed
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.resilience.breaker import BreakerPolicy, CircuitBreaker
from yaoki.resilience.notices import Notices

CERTIFICATES = Path(__file__).parent / "certificates"
POLICY = CandidatePolicy(first_token_timeout_s=FIRST_TOKEN_S, move_back_s=0.0)


@asynccontextmanager
async def behind(base_url: str, *scripts: Script) -> AsyncIterator[tuple[Bench, Chain, list[AttemptFailed]]]:
    """A bench whose chain asks `base_url` first."""
    notices, failures = Notices(), list[AttemptFailed]()
    notices.subscribe(AttemptFailed, failures.append)
    async with Bench(*scripts) as bench:
        unreachable = Candidate(
            name="unreachable",
            upstream=openai_upstream(model="m", base_url=base_url),
            breaker=CircuitBreaker("unreachable", BreakerPolicy(threshold=3)),
            policy=POLICY,
        )
        bench.chain = Chain([unreachable, *bench.chain.candidates], notices=notices)
        try:
            yield bench, bench.chain, failures
        finally:
            await bench.chain.aclose()


@pytest.fixture
async def resolver(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A resolver that never answers for `silent.test`, and says at once that `gone.test` does not exist."""
    loop = asyncio.get_running_loop()
    real, asked = loop.getaddrinfo, list[str]()

    async def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        asked.append(name)
        if name == "silent.test":
            await loop.create_future()
        if name == "gone.test":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return await real(host, *args, **kwargs)

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    return asked


@pytest.mark.requirement("M7")
@pytest.mark.parametrize("host, kind", [("gone.test", "model.unavailable"), ("silent.test", "model.timeout")])
async def test_a_name_that_does_not_resolve_costs_a_bounded_wait(resolver: list[str], host: str, kind: str) -> None:
    async with behind(f"http://{host}/v1", Script()) as (bench, chain, failures):
        for count in range(1, 4):
            told = await bench.ask()
            told.assert_whole(ANSWER, failovers=1)
            assert told.first_word_s < FIRST_TOKEN_S + FAILOVER_S
            assert str(chain.candidates[0].breaker.state) == ("open" if count == 3 else "closed")
        assert [failure.kind for failure in failures] == [kind] * 3
        asked = len(resolver)
        (await bench.ask()).assert_whole(ANSWER, failovers=0)  # the open breaker is not asked again
        assert resolver.count(host) == resolver[:asked].count(host)


@pytest.mark.requirement("M7")
async def test_only_names_that_do_not_resolve_end_in_time_too(resolver: list[str]) -> None:
    async with behind("http://silent.test/v1", Script(fault="refused")) as (bench, _, _failures):
        told = await bench.ask(deadline_s=3.0, max_attempts=3)
    assert told.failure is not None
    assert told.took_s < 3.0 + FAILOVER_S
    assert resolver.count("silent.test") <= 3


@asynccontextmanager
async def untrusted() -> AsyncIterator[tuple[str, list[bytes], list[str]]]:
    """A TLS server with a certificate of its own making: its address, what it was told, how connections ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "self_signed.crt", CERTIFICATES / "self_signed.key")
    heard: list[bytes] = []
    opened: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append("")
        try:
            await writer.start_tls(context)
            heard.append(await reader.read(1000))
        except (ssl.SSLError, OSError) as error:
            opened[-1] = str(error)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}/v1", heard, opened
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.requirement("M8")
async def test_a_certificate_that_nobody_vouches_for_closes_the_connection_unused() -> None:
    async with untrusted() as (url, heard, opened), behind(url, Script()) as (bench, chain, failures):
        told = await bench.ask()
        told.assert_whole(ANSWER, failovers=1)
        assert told.first_word_s < 1.0
        assert [(failure.kind, failure.fault) for failure in failures] == [("model.authentication", "certificate")]
        assert chain.candidates[0].rest_s > 0
        (await bench.ask()).assert_whole(ANSWER, failovers=0)  # it rests: nobody asks it again
        assert len(opened) == 1
        assert heard == []


@pytest.mark.requirement("M8")
async def test_the_only_model_with_such_a_certificate_is_not_tried_again_and_the_error_is_clear() -> None:
    async with untrusted() as (url, heard, opened):
        upstream = openai_upstream(model="m", base_url=url)
        bench = Bench()
        bench.chain = Chain([Candidate(name="m", upstream=upstream, breaker=CircuitBreaker("m"), policy=POLICY)])
        told = await bench.ask(Told(), deadline_s=5.0)
        await bench.chain.aclose()
    assert told.failure is not None
    assert "TLS certificate is not trusted: self-signed certificate" in str(told.failure.__cause__)
    assert len(opened) == 1
    assert heard == []
