"""Generated keys of a server that runs: made and revoked beside it, limited, and paid for over its deaths."""

import asyncio
import json
import signal
from collections import Counter
from pathlib import Path

import openai
import pytest

from tests.faults.harness import Server, Stage
from tests.faults.key_commands import new_key, spent, until_spent, until_status, yaoki
from tests.faults.v1 import QUESTION
from yaoki.faults import ANSWER, Script

pytestmark = pytest.mark.slow

KEYS = '[auth]\nv1 = "keys"\n'


def client(server: Server, secret: str) -> openai.AsyncOpenAI:
    """The real SDK, which neither retries nor asks the environment."""
    return openai.AsyncOpenAI(api_key=secret, base_url=f"{server.url}/v1", max_retries=0, timeout=30.0)


async def ask(server: Server, secret: str, model: str = "m0") -> str:
    async with client(server, secret) as sdk:
        answer = await sdk.chat.completions.create(model=model, messages=QUESTION["messages"])
    return answer.choices[0].message.content or ""


async def test_a_key_made_beside_a_running_server_serves_the_real_sdk_until_it_is_revoked(tmp_path: Path) -> None:
    async with Stage(tmp_path, Script(), Script(), extra=KEYS) as stage:
        with pytest.raises(openai.AuthenticationError, match="yaoki keys create"):
            await ask(stage.server, "sk-none")
        secret = await new_key(stage.server, "ann", "--models", "m1")
        async with client(stage.server, secret) as sdk:
            assert [model.id async for model in sdk.models.list()] == ["m1"]
            stream = await sdk.chat.completions.create(model="m1", messages=QUESTION["messages"], stream=True)
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            assert "".join(pieces) == ANSWER
            with pytest.raises(openai.NotFoundError, match="Use one of: m1"):
                await ask(stage.server, secret, "m0")
        assert (await yaoki(stage.server, "keys", "revoke", "ann"))[0] == 0
        await until_status(stage.server, secret, 401)
        with pytest.raises(openai.AuthenticationError, match="revoked"):
            await ask(stage.server, secret, "m1")


async def test_limits_hold_for_many_at_once(tmp_path: Path) -> None:
    async with Stage(tmp_path, Script(token_s=0.01)) as stage:
        secret = await new_key(stage.server, "ann", "--requests-per-minute", "5")
        answers = await asyncio.gather(*(ask(stage.server, secret) for _ in range(20)), return_exceptions=True)
        refusals = [answer for answer in answers if isinstance(answer, openai.RateLimitError)]
        assert Counter(answer for answer in answers if isinstance(answer, str)) == {ANSWER: 5}
        assert len(refusals) == 15
        assert {refusal.code for refusal in refusals} == {"rate_limit_exceeded"}
        assert all(1 <= int(refusal.response.headers["retry-after"]) <= 60 for refusal in refusals)
        metrics = (await stage.http.get("/metrics")).text
        await until_spent(stage.server, "ann", 5)
        _, listed, _ = await yaoki(stage.server, "keys", "list")
    assert 'yaoki_key_requests_total{key="ann"} 5.0' in metrics
    assert 'yaoki_key_refused_total{key="ann"} 15.0' in metrics
    assert "5 requests a minute" in listed
    assert "5 answers, " in listed


async def test_a_day_that_is_spent_stays_so_over_a_clean_restart(tmp_path: Path) -> None:
    async with Stage(tmp_path, Script(), extra=KEYS) as stage:
        secret = await new_key(stage.server, "ann", "--tokens-per-day", "1")
        assert await ask(stage.server, secret) == ANSWER
        stage.server.signal(signal.SIGTERM)
        assert await stage.server.ended() == 0
        paid = await spent(stage.server, "ann")
        await stage.server.start()
        with pytest.raises(openai.RateLimitError) as caught:
            await ask(stage.server, secret)
        _, listed, _ = await yaoki(stage.server, "keys", "list", "--json")
    assert (caught.value.code, paid.requests) == ("insufficient_quota", 1)
    known = json.loads(listed)
    assert known["spent_today"]["requests"] == 1
    assert known["spent"]["input_tokens"] + known["spent"]["output_tokens"] == paid.tokens > 1
    assert known["last_used_at"] is not None


async def test_a_server_that_stops_writes_down_the_answers_it_finishes_first(tmp_path: Path) -> None:
    async with Stage(tmp_path, Script(token_s=0.02)) as stage:
        secret = await new_key(stage.server, "ann")
        asking = asyncio.create_task(ask(stage.server, secret))
        async with asyncio.timeout(15):
            await stage.first.until(lambda provider: len(provider.asked) == 1)
        stage.server.signal(signal.SIGTERM)
        assert await asking == ANSWER
        assert await stage.server.ended() == 0
        paid = await spent(stage.server, "ann")
    assert (paid.requests, paid.tokens > 0, paid.estimated_tokens) == (1, True, 0)


async def test_a_killed_server_forgets_no_more_than_the_answers_since_the_last_batch(tmp_path: Path) -> None:
    async with Stage(tmp_path, Script()) as stage:
        secret = await new_key(stage.server, "ann")
        for _ in range(5):
            await ask(stage.server, secret)
        await until_spent(stage.server, "ann", 5)
        await ask(stage.server, secret)
        await stage.server.restart()
        await until_status(stage.server, secret, 200)
        await ask(stage.server, secret)
        await until_spent(stage.server, "ann", 6)
        stage.server.signal(signal.SIGTERM)
        assert await stage.server.ended() == 0
        paid = await spent(stage.server, "ann")
    assert paid.requests in (6, 7), "the one before the kill may be gone, no other"
