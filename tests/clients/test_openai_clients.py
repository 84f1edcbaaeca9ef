"""Other people's OpenAI clients on the base URL, unchanged: they get whole answers, and raise where there is none."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.faults.harness import Stage
from tests.faults.stages import shared_stage, stage
from yaoki.faults import ANSWER, Script

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

_HERE = Path(__file__).parent
_LOCK = _HERE / "openai_clients.lock"
CLIENTS = [f"{client}{how}" for client in ("openai", "langchain", "agents", "llm") for how in ("", "-streamed")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def python() -> AsyncIterator[str]:
    """The interpreter of the clients' own environment; made anew when their lock has changed."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "yaoki" / "test-clients"
    stamp, interpreter = home / "installed.lock", home / "bin" / "python"
    if not stamp.exists() or stamp.read_bytes() != _LOCK.read_bytes():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, home], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", interpreter, "--require-hashes", "-r", _LOCK]
        subprocess.run(install, check=True)
        stamp.write_bytes(_LOCK.read_bytes())
    yield str(interpreter)


async def ask(python: str, client: str, url: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        python, _HERE / "openai_clients.py", client, f"{url}/v1", "m0", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return json.loads(out.decode().splitlines()[-1])


@pytest.mark.requirement("M11", "P-2", "P-3")
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_cut_in_mid_stream_is_a_whole_answer_for_every_client(stage: Stage, python: str, client: str) -> None:
    await stage.play(Script(fault="cut_mid_stream"), Script(), Script())
    answer = await ask(python, client, stage.server.url)
    assert stage.first.fired["cut_mid_stream"] == 1
    assert answer.get("raised") is None
    assert (answer["text"], answer["finish"] or "stop") == (ANSWER, "stop")


@pytest.mark.requirement("M11", "M25", "P-2")
@pytest.mark.parametrize("client", CLIENTS)
async def test_where_there_is_no_answer_every_client_raises(stage: Stage, python: str, client: str) -> None:
    await stage.play(Script(fault="cut_mid_stream", at=166), Script(fault="http_500"), Script(fault="html"))
    answer = await ask(python, client, stage.server.url)
    assert "None of the models could answer" in answer["raised"]
    assert answer["text"].strip() == "" or ANSWER.startswith(answer["text"].rstrip("\n"))
    assert bool(answer["text"].strip()) == client.endswith("-streamed")
