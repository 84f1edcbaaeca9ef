"""`yaoki keys` as its user runs it, beside a server."""

import asyncio
import os
import sys
from pathlib import Path

import httpx2

from tests.faults.harness import Server
from yaoki.store.contract import Spending
from yaoki.store.store import open_store

_YAOKI = Path(sys.executable).parent / "yaoki"
_POLL_S = 0.02
KNOWN_S = 15.0
"""A second, on a machine that does much else."""


async def yaoki(server: Server, *arguments: str) -> tuple[int, str, str]:
    """Run a command with the server's settings; gives exit code, output and error output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("YAOKI_")}
    process = await asyncio.create_subprocess_exec(
        _YAOKI,
        *arguments,
        "--config",
        server.folder / "yaoki.toml",
        env={**kept, "HOME": str(server.folder), "XDG_DATA_HOME": str(server.folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def new_key(server: Server, name: str, *limits: str) -> str:
    """Make a key; gives its secret once the server knows it."""
    code, out, err = await yaoki(server, "keys", "create", name, *limits)
    assert code == 0, err
    secret = out.strip()
    await until_status(server, secret, 200)
    return secret


async def until_status(server: Server, secret: str, status: int) -> None:
    """Wait until a key is answered so."""
    headers = {"authorization": f"Bearer {secret}"}
    async with asyncio.timeout(KNOWN_S), httpx2.AsyncClient(base_url=server.url, trust_env=False) as http:
        while (await http.get("/v1/models", headers=headers)).status_code != status:
            await asyncio.sleep(_POLL_S)


async def spent(server: Server, name: str) -> Spending:
    """What the database says that a key has spent."""
    store = await open_store(server.database, "reader")
    try:
        return (await store.api_keys.spent()).get(name, Spending())
    finally:
        await store.aclose()


async def until_spent(server: Server, name: str, requests: int) -> None:
    """Wait until so many answers are written down."""
    async with asyncio.timeout(KNOWN_S):
        while (await spent(server, name)).requests < requests:
            await asyncio.sleep(_POLL_S)
