"""Embedded models for tests: the real weights, small windows, close watching; and how to talk to them."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import psutil

from yaoki.llm.local import LocalModel, LocalModelPolicy, ModelState
from yaoki.resilience.clock import SYSTEM_CLOCK
from yaoki.resilience.notices import Notices
from yaoki.resilience.retry import RetryPolicy

PATIENT_S = 20.0
FRANCE = [
    {"role": "system", "content": "You are a helpful assistant. Answer briefly and plainly."},
    {"role": "user", "content": "What is the capital of France?"},
]
SAGA = [{"role": "user", "content": "Write a very long story about a dog, in many chapters."}]


def policy(**wanted: Any) -> LocalModelPolicy:
    quick = {
        "context_tokens": 2048,
        "probe_every_s": 0.1,
        "probe_timeout_s": 2.0,
        "respawn": RetryPolicy(delay_s=0.05, max_delay_s=1.0),
    }
    return LocalModelPolicy(**{**quick, **wanted})


@asynccontextmanager
async def running(
    name: str = "smol", wanted: LocalModelPolicy | None = None, notices: Notices | None = None
) -> AsyncGenerator[LocalModel, None]:
    """A model that answers."""
    async with LocalModel(name, wanted or policy(), rng=random.Random(7), notices=notices) as model:
        await model.wait_ready(PATIENT_S)
        yield model


async def until(condition: Callable[[], bool], within_s: float = PATIENT_S) -> float:
    """Wait for it; seconds that it took."""
    began = SYSTEM_CLOCK.monotonic()
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)
    return SYSTEM_CLOCK.monotonic() - began


async def replaced(model: LocalModel, old: int) -> float:
    """Wait until another process answers; seconds that it took."""
    return await until(lambda: model.state is ModelState.READY and model.pid != old)


def pid_of(model: LocalModel) -> int:
    assert model.pid is not None
    return model.pid


def runs(pid: int) -> bool:
    """Whether there is such a process, and not only what its parent has not buried yet."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def client(model: LocalModel, key: str | None = None) -> httpx2.AsyncClient:
    key = model.api_key if key is None else key
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx2.AsyncClient(base_url=model.base_url, headers=headers, timeout=PATIENT_S, trust_env=False)


async def ask(model: LocalModel, messages: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    """A whole answer."""
    async with client(model) as http:
        response = await http.post("/chat/completions", json={"model": model.name, "messages": messages, **more})
        assert response.status_code == 200, response.text
        return response.json()


async def chunks(model: LocalModel, messages: list[dict[str, str]], **more: Any) -> list[dict[str, Any]]:
    """A streamed answer's chunks; the stream ended with [DONE]."""
    body = {"model": model.name, "messages": messages, "stream": True, **more}
    async with client(model) as http, http.stream("POST", "/chat/completions", json=body) as response:
        lines = [line.removeprefix("data: ") async for line in response.aiter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def text_of(parts: list[dict[str, Any]]) -> str:
    return "".join(choice["delta"].get("content") or "" for part in parts for choice in part["choices"])


def finish_of(parts: list[dict[str, Any]]) -> list[str]:
    return [choice["finish_reason"] for part in parts for choice in part["choices"] if choice["finish_reason"]]
