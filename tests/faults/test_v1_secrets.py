"""A key never shows: not in answers, events, logs or metrics, whatever a provider makes of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.harness import Stage
from tests.faults.key_commands import new_key, until_spent, until_status, yaoki
from yaoki.faults import Script
from yaoki.store.api_key_table import digest_of

pytestmark = pytest.mark.slow

CANARY = "sk-canary-5f0c2e7d9b1a4c63"
CLIENTS_KEY = "sk-client-0a1b2c3d4e5f6071"
TELLING = f"Incorrect API key provided: {CANARY}. You sent Authorization: Bearer {CANARY}."


@asynccontextmanager
async def tattler(status: int, body: bytes) -> AsyncIterator[str]:
    """A provider that repeats the key to whoever asks; gives its base URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert CANARY.encode() in head, "the key was not even sent"
        writer.write(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nConnection: close\r\n" % status)
        writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def asked_at_v1(stage: Stage) -> str:
    answers = [
        await stage.http.post(
            "/v1/chat/completions",
            headers={"authorization": f"Bearer {CLIENTS_KEY}"},
            json={"model": "telling", "messages": [{"role": "user", "content": "?"}], "stream": streamed},
        )
        for streamed in (True, False)
    ]
    return "".join(f"{answer.headers}{answer.text}" for answer in answers)


async def asked_in_a_session(stage: Stage) -> str:
    created = await stage.http.post("/ai/sessions", json={"session_type": "chat", "agent": "telling"})
    session = created.json()["session_id"]
    stream = {"accept": "text/event-stream"}
    answer = await stage.http.post(f"/ai/sessions/{session}/messages", json={"content": "?"}, headers=stream)
    assert "RUN_" in answer.text
    return answer.text + json.dumps(await stage.history(session))


@pytest.mark.requirement("X10")
@pytest.mark.parametrize("ask", [asked_at_v1, asked_in_a_session])
@pytest.mark.parametrize(
    "status, body",
    [
        (401, json.dumps({"error": {"message": TELLING, "code": "invalid_api_key"}})),
        (400, json.dumps({"error": {"message": TELLING, "type": "invalid_request_error"}})),
        (500, TELLING),
        (200, f"data: {json.dumps({'error': {'message': TELLING}})}\n\n"),
        (200, f"<html>{TELLING}</html>"),
    ],
)
async def test_a_key_never_shows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[Stage], Awaitable[str]],
    status: int,
    body: str,
) -> None:
    monkeypatch.setenv("TELLING_KEY", CANARY)
    async with tattler(status, body.encode()) as url:
        model = f'[models.telling]\nprovider = "openai"\nmodel = "m"\nbase_url = "{url}"\napi_key_env = "TELLING_KEY"\n'
        async with Stage(tmp_path, Script(), extra=f'{model}[agents.telling]\nmodel = "telling"\n') as stage:
            told = await ask(stage)
            metrics = (await stage.http.get("/metrics")).text
            await stage.server.kill()
            shown = told + metrics + stage.server.log
            database = b"".join(path.read_bytes() for path in stage.server.folder.glob("yaoki.db*"))
    assert CANARY not in shown
    assert CLIENTS_KEY not in shown
    assert CANARY.encode() not in database


@pytest.mark.requirement("X10")
async def test_a_generated_key_shows_once_and_is_kept_nowhere(tmp_path: Path) -> None:
    body = {"model": "m0", "messages": [{"role": "user", "content": "?"}]}
    async with Stage(tmp_path, Script(fault="http_500"), extra='[auth]\nv1 = "keys"\n') as stage:
        secret = await new_key(stage.server, "ann", "--requests-per-minute", "1")
        headers = {"authorization": f"Bearer {secret}"}
        told = ""
        for status in (503, 429, 401):
            if status == 401:
                told += "".join((await yaoki(stage.server, "keys", "revoke", "ann"))[1:])
                await until_status(stage.server, secret, 401)
            answer = await stage.http.post("/v1/chat/completions", json=body, headers=headers)
            assert answer.status_code == status
            told += f"{answer.headers}{answer.text}"
        await until_spent(stage.server, "ann", 1)
        for command in (["keys", "list"], ["keys", "list", "--json"], ["keys", "create", "ann"], ["doctor"]):
            told += "".join((await yaoki(stage.server, *command))[1:])
        told += (await stage.http.get("/metrics")).text
        await stage.server.kill()
        told += stage.server.log
        database = b"".join(path.read_bytes() for path in stage.server.folder.glob("yaoki.db*"))
    assert "ann" in told
    assert secret not in told
    assert secret.encode() not in database
    assert digest_of(secret).encode() in database
