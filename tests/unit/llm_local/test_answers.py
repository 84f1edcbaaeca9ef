"""What the chain needs of an embedded model, asked of the real one."""

import asyncio
import os
from contextlib import aclosing
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from tests.faults.local_models import (
    FRANCE,
    PATIENT_S,
    SAGA,
    ask,
    chunks,
    client,
    finish_of,
    pid_of,
    policy,
    running,
    text_of,
    until,
)
from yaoki.llm.deltas import Finish
from yaoki.llm.local.upstream import LocalUpstream
from yaoki.llm.wire.request import WireRequest

pytestmark = pytest.mark.slow


async def test_it_answers_in_words_with_usage_and_a_finish_reason() -> None:
    async with running() as model:
        parts = await chunks(model, FRANCE, temperature=0, max_tokens=60, stream_options={"include_usage": True})
    assert "Paris" in text_of(parts)
    assert finish_of(parts) == ["stop"]
    assert parts[-1]["usage"]["completion_tokens"] > 0
    assert {part["model"] for part in parts} == {"smol"}


async def test_an_answer_that_was_cut_by_its_limit_says_so() -> None:
    async with running() as model:
        parts = await chunks(model, SAGA, max_tokens=3)
    assert finish_of(parts) == ["length"]


async def test_it_goes_on_with_half_an_answer_and_streams_only_the_rest() -> None:
    half = [*FRANCE, {"role": "assistant", "content": "The capital of France is"}]
    async with running() as model:
        parts = await chunks(model, half, temperature=0, max_tokens=20)
    assert text_of(parts).startswith(" Paris")


@pytest.mark.parametrize("key", ["", "guessed"])
@pytest.mark.parametrize("path", ["chat/completions", "models", "../props", "../slots", "../metrics", "../tokenize"])
async def test_who_does_not_know_the_secret_gets_nothing(key: str, path: str) -> None:
    async with running() as model, client(model, key) as http:
        for method in ("GET", "POST"):
            response = await http.request(method, path, json={"messages": FRANCE, "content": "x"})
            assert response.status_code in {401, 404}, (method, response.text)


async def test_it_listens_on_loopback_only() -> None:
    async with running() as model:
        address = urlsplit(model.base_url)
        listening = [link.laddr for link in psutil.Process(pid_of(model)).net_connections() if link.status == "LISTEN"]
    assert listening == [(address.hostname, address.port)]
    assert address.hostname == "127.0.0.1"


async def test_giving_up_on_an_answer_stops_its_generation() -> None:
    async with running() as model, client(model) as http:
        body = {"messages": SAGA, "stream": True, "max_tokens": 1500, "ignore_eos": True}
        async with (
            http.stream("POST", "/chat/completions", json=body) as response,
            aclosing(response.aiter_lines()) as lines,
        ):
            await anext(lines)
        process = psutil.Process(pid_of(model))
        spent = [0.0]

        def rests() -> bool:
            spent.append(sum(process.cpu_times()[:2]))
            return len(spent) > 40 and spent[-1] - spent[-40] < 0.05

        assert await until(rests) < 5.0, "1,500 tokens would take ten seconds"


async def test_two_models_answer_at_the_same_time() -> None:
    async with running("one") as one, running("two") as two:
        assert one.pid != two.pid
        assert one.api_key != two.api_key
        answers = await asyncio.gather(ask(one, FRANCE, max_tokens=30), ask(two, FRANCE, max_tokens=30))
        assert [answer["model"] for answer in answers] == ["one", "two"]
        async with client(one, two.api_key) as http:
            assert (await http.get("/models")).status_code == httpx2.codes.UNAUTHORIZED


async def test_the_window_is_as_large_as_the_policy_says_and_what_does_not_fit_is_refused() -> None:
    async with running(wanted=policy(context_tokens=512)) as model, client(model) as http:
        long = [{"role": "user", "content": "word " * 600}]
        response = await http.post("/chat/completions", json={"messages": long})
        assert response.status_code == 400
        assert response.json()["error"]["type"] == "exceed_context_size_error"
        assert response.json()["error"]["n_ctx"] == 512


async def test_the_parallel_answers_share_the_window() -> None:
    async with running(wanted=policy(context_tokens=1024, parallel=2)) as model, client(model) as http:
        assert (await http.get("../props")).json()["total_slots"] == 2
        assert (await http.get("../props")).json()["default_generation_settings"]["n_ctx"] == 512


async def test_a_file_of_ones_own_is_served(tmp_path: Path, weights_file: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.symlink_to(weights_file)
    async with running("mine", policy(path=mine)) as model:
        assert await ask(model, FRANCE, max_tokens=3)


async def test_a_model_is_the_first_to_go_when_memory_runs_out_and_leaves_no_core() -> None:
    async with running() as model:
        proc = Path(f"/proc/{pid_of(model)}")
        assert int((proc / "oom_score_adj").read_text()) > int(Path("/proc/self/oom_score_adj").read_text())
        assert "Max core file size        0                    0" in (proc / "limits").read_text()
        assert os.getpgid(pid_of(model)) == pid_of(model), "Ctrl-C in the terminal must not reach it"


async def test_what_is_logged_stays_bounded() -> None:
    async with running() as model:
        async with client(model, "wrong") as http:
            for _ in range(60):
                await http.get("/models")
        assert model._process
        assert len(model._process._log) <= 40
        assert await model._process._answers(PATIENT_S)


async def test_each_of_many_requests_over_the_lean_wire_is_answered_at_once() -> None:
    async with running() as model:
        upstream = LocalUpstream(model, max_output_tokens=4)
        request = WireRequest({"messages": FRANCE})
        answers = [[delta async for delta in upstream.stream(request, None)] for _ in range(8)]
        await upstream.aclose()
    assert all(isinstance(deltas[-1], Finish) for deltas in answers)
