"""The environment of other people's OpenAI clients: their own packages, which know nothing of Yaoki."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
LOCK = _HERE / "openai_clients.lock"
CLIENTS = [f"{client}{how}" for client in ("openai", "langchain", "agents", "llm") for how in ("", "-streamed")]


def interpreter() -> str:
    """The interpreter of that environment, which is made anew when its lock has changed."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "yaoki" / "test-clients"
    stamp, python = home / "installed.lock", home / "bin" / "python"
    if not stamp.exists() or stamp.read_bytes() != LOCK.read_bytes():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, home], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", LOCK]
        subprocess.run(install, check=True)
        stamp.write_bytes(LOCK.read_bytes())
    return str(python)


async def ask(python: str, client: str, base_url: str, model: str = "m0") -> dict[str, Any]:
    """What a client has got from a base URL: `{text, finish}` or `{text, raised}`."""
    process = await asyncio.create_subprocess_exec(
        python, _HERE / "openai_clients.py", client, base_url, model, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return json.loads(out.decode().splitlines()[-1])


def versions() -> dict[str, str]:
    """The clients' locked versions, by package."""
    return dict(re.findall(r"^(openai|langchain-openai|openai-agents|llm)==(\S+)", LOCK.read_text(), re.MULTILINE))
