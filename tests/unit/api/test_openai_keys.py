"""Keys at the base URL: who is let in, what they see, and what they pay."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from tests.unit.api.openai import ASK, Face, faced
from tests.unit.llm.fakes import FakeUpstream, hold, says
from yaoki.api.v1.callers import Caller
from yaoki.api.v1.ledger import Ledger
from yaoki.errors import ModelUnavailableError
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.llm.deltas import Finish, Text, Usage
from yaoki.llm.wire.request import WireRequest
from yaoki.resilience.breaker import CircuitBreaker
from yaoki.store.contract import ApiKey, Spending
from yaoki.testing import FakeClock

SEVEN: list[Any] = [Text("Seven."), Usage(3, 4), Finish("stop")]
UNKNOWN = f"yk_{'x' * 43}"
WAIT_S = 25.0


def told(response: httpx2.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["type"], error["code"]


async def settled(face: Face, answers: int, name: str = "ann") -> None:
    """Wait until so many answers are over for us, too: a client may see the end of one a moment earlier."""
    async with asyncio.timeout(WAIT_S):
        while face.keys.ledger.requests[name] < answers:
            await asyncio.sleep(0.01)


async def spent(face: Face, answers: int, name: str = "ann") -> Spending:
    await settled(face, answers, name)
    await face.keys.ledger.write()
    return (await face.served.store.api_keys.spent()).get(name, Spending())


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer sk-mine"}, {"authorization": "Basic eWtfeA=="}])
async def test_without_a_key_of_ours_an_open_server_answers(tmp_path: Path, header: dict[str, str]) -> None:
    async with faced(tmp_path, FakeUpstream(SEVEN)) as face:
        assert (await face.ask(header)).status_code == 200
        assert (await face.http.get("/v1/models", headers=header)).status_code == 200


@pytest.mark.parametrize("required", [True, False])
async def test_a_key_is_good_until_it_is_revoked(tmp_path: Path, required: bool) -> None:
    async with faced(tmp_path, FakeUpstream(SEVEN), keys_required=required) as face:
        key = await face.key()
        assert (await face.ask(key)).status_code == 200
        assert (
            await face.ask({"Authorization": key["authorization"].replace("Bearer ", "bearer  ")})
        ).status_code == 200
        await face.served.store.api_keys.revoke("ann")
        await face.keys.look()
        refused = await face.ask(key)
    assert told(refused) == (401, "authentication_error", "invalid_api_key")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert key["authorization"].removeprefix("Bearer ") not in refused.text


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/one", "/v1/chat/completions", "/v1/nothing"])
@pytest.mark.parametrize("presented", ["", f"Bearer {UNKNOWN}", "Bearer sk-mine", "Bearer", f"Basic {UNKNOWN}", "yk_x"])
async def test_where_keys_are_wanted_nothing_is_had_without_one(tmp_path: Path, path: str, presented: str) -> None:
    async with faced(tmp_path, FakeUpstream(SEVEN), keys_required=True) as face:
        header = {"authorization": presented} if presented else {}
        if path.endswith("completions"):
            refused = await face.http.post(path, json=ASK, headers=header)
        else:
            refused = await face.http.get(path, headers=header)
        asked = face.upstreams[0].asked
    assert told(refused) == (401, "authentication_error", "invalid_api_key")
    assert "Bearer" in refused.headers["www-authenticate"]
    assert asked == []


async def test_a_stranger_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(SEVEN), keys_required=True) as face:
        async with asyncio.timeout(WAIT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", face.http.base_url.port)
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{")
            head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert head.startswith(b"HTTP/1.1 401 ")


async def test_an_unknown_key_is_refused_where_none_is_wanted(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(SEVEN)) as face:
        refused = await face.ask({"authorization": f"Bearer {UNKNOWN}"})
    assert refused.status_code == 401


async def test_a_key_sees_its_models_and_no_others(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(SEVEN)) as face:
        key = await face.key(models=("two", "gone"))
        listed = await face.http.get("/v1/models", headers=key)
        assert [model["id"] for model in listed.json()["data"]] == ["two"]
        assert (await face.http.get("/v1/models/two", headers=key)).status_code == 200
        hidden = await face.http.get("/v1/models/one", headers=key)
        refused, none = await face.ask(key, model="one"), await face.ask(key, model="three")
        assert (await face.ask(key, model="two")).status_code == 200
    assert told(hidden) == told(refused) == told(none)
    assert refused.status_code == 404
    assert refused.json()["error"]["message"] == "There is no model 'one'. Use one of: two."


async def test_too_many_requests_are_told_when_to_come_back(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(SEVEN)) as face:
        key = await face.key(requests_per_minute=2)
        answers = [await face.ask(key) for _ in range(3)]
        others = await face.ask(await face.key("bob"))
        refusals = face.keys.ledger.refused
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert told(answers[2]) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    assert (others.status_code, refusals) == (200, {"ann": 1})


async def test_a_spent_day_is_a_quota(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(SEVEN)) as face:
        key = await face.key(tokens_per_day=10)
        answers: list[httpx2.Response] = []
        for over in range(3):
            await settled(face, over)
            answers.append(await face.ask(key))
        assert await spent(face, 2) == Spending(requests=2, input_tokens=6, output_tokens=8, unpriced=2)
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert told(answers[2]) == (429, "rate_limit_error", "insufficient_quota")
    assert int(answers[2].headers["retry-after"]) <= 86_400


async def test_many_at_once_do_not_slip_past_a_limit(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream([Text("Seven. "), hold, *SEVEN])) as face:
        key = await face.key(tokens_per_day=10)
        first = face.http.build_request("POST", "/v1/chat/completions", json={**ASK, "stream": True}, headers=key)
        response = await face.http.send(first, stream=True)
        refused = await face.ask(key)
        await response.aclose()
    assert told(refused) == (429, "rate_limit_error", "rate_limit_exceeded")


async def test_a_client_that_leaves_pays_for_what_was_spent(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream([Text("Seven big ships. "), hold])) as face:
        key = await face.key()
        request = face.http.build_request("POST", "/v1/chat/completions", json={**ASK, "stream": True}, headers=key)
        response = await face.http.send(request, stream=True)
        await response.aclose()
        paid = await spent(face, 1)
    assert paid.requests == 1
    assert paid.estimated_tokens == paid.tokens > 0
    assert (paid.input_tokens, paid.output_tokens) == (3, 5)


async def test_a_failed_attempt_is_paid_for_too(tmp_path: Path) -> None:
    cut = FakeUpstream([Text("Seven big "), ModelUnavailableError("down")])
    async with faced(tmp_path, cut, FakeUpstream([Text("ships."), Usage(9, 2), Finish("stop")])) as face:
        answer = await face.ask(await face.key())
        paid = await spent(face, 1)
    assert answer.status_code == 200
    assert (paid.requests, paid.estimated_tokens) == (1, 6)
    assert paid.tokens == 11 + paid.estimated_tokens


async def test_nobody_gets_an_answer_that_another_owner_was_given(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(SEVEN, [ModelUnavailableError("down")])) as face:
        ann, too, bob = [await face.key(name, owner=name[:3]) for name in ("ann", "ann-2", "bob")]
        assert (await face.ask(ann)).status_code == 200
        nobody, stranger, owners = await face.ask(), await face.ask(bob), await face.ask(too)
    assert (nobody.status_code, stranger.status_code) == (503, 503)
    assert owners.json()["choices"][0]["message"]["content"] == "Seven."


async def test_what_was_spent_before_a_restart_counts(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(SEVEN)) as face:
        key = await face.key(tokens_per_day=7)
        async with face.keys.kept():
            assert (await face.ask(key)).status_code == 200
            await settled(face, 1)
    async with faced(tmp_path, FakeUpstream(SEVEN)) as face, face.keys.kept():
        assert told(await face.ask(key))[2] == "insufficient_quota"


async def test_a_key_made_beside_the_server_is_known_soon(tmp_path: Path) -> None:
    async with faced(tmp_path, FakeUpstream(SEVEN), keys_required=True) as face, face.keys.kept():
        secret = await face.served.store.api_keys.create("ann", "ann")
        key = {"authorization": f"Bearer {secret}"}
        async with asyncio.timeout(WAIT_S):
            while (await face.ask(key)).status_code == 401:
                await asyncio.sleep(0.02)
            await face.served.store.api_keys.revoke("ann")
            while (await face.ask(key)).status_code == 200:
                await asyncio.sleep(0.02)


def dear(name: str, usd_per_token: float | None) -> Candidate:
    return Candidate(
        name=name,
        upstream=FakeUpstream(says("Seven.")),
        breaker=CircuitBreaker(name),
        policy=CandidatePolicy(max_output_tokens=100),
        price=None if usd_per_token is None else lambda asked, said: (asked + said) * usd_per_token,
    )


@pytest.mark.parametrize("fields, usd", [({}, 1.1), ({"max_tokens": 30}, 0.4), ({"max_tokens": 1_000}, 1.1)])
async def test_the_dearest_model_of_a_chain_is_what_a_request_may_cost(
    fields: dict[str, int], usd: float, served: Any
) -> None:
    clock = FakeClock()
    key = ApiKey(name="a", owner="a", digest="", hint="", created_at=clock.utcnow(), usd_per_day=10.0)
    caller = Caller(key, Ledger(served.store.api_keys), clock)
    chain = Chain([dear("a", 0.001), dear("b", 0.01), dear("c", None)], rng=Random(1))
    held: list[float] = []

    def budget(*, purse: Any) -> TurnBudget:
        held.append(purse.usd)
        return TurnBudget(purse=purse)

    with caller.answering(WireRequest(fields), chain, 10, budget):
        pass
    assert held == [pytest.approx(usd)]
    await chain.aclose()


async def test_failovers_end_where_nothing_is_left(tmp_path: Path) -> None:
    fallbacks = [FakeUpstream([Text("Seven "), ModelUnavailableError("down")]) for _ in range(2)]
    async with faced(
        tmp_path, FakeUpstream([Text("A great many "), ModelUnavailableError("down")]), *fallbacks
    ) as face:
        failed = await face.ask(await face.key(tokens_per_day=6))
        asked = [len(upstream.asked) for upstream in face.upstreams]
    assert told(failed) == (503, "server_error", "model.all_failed")
    assert asked == [1, 0, 0]
