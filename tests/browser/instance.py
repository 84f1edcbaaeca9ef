"""A real `yaoki serve` that can be killed and started again on the same store and port."""

import asyncio
import os
import signal
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any

import httpx2

from yaoki.faults import ScriptedProvider

HEARTBEAT_S = 0.5
_UP_WITHIN_S = 30

_SETTINGS = """
[server]
port = {port}
[store]
url = "sqlite:///{folder}/yaoki.db"
[limits]
heartbeat_s = {heartbeat_s}
drain_s = 0.2
[models.first]
provider = "openai"
model = "first"
base_url = "{first}"
fallbacks = ["second"]
first_token_timeout_s = 2.0
idle_timeout_s = 2.0
[models.second]
provider = "openai"
model = "second"
base_url = "{second}"
first_token_timeout_s = 2.0
idle_timeout_s = 2.0
[breakers.first]
threshold = 1000
[agents.default]
model = "first"
instructions = "Answer briefly."
"""


class Instance:
    """One server process over two scripted providers, `first` and its fallback `second`."""

    def __init__(self, folder: Path, first: ScriptedProvider, second: ScriptedProvider) -> None:
        self.first = first
        self.second = second
        self.port = _free_port()
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        (folder / "yaoki.toml").write_text(
            _SETTINGS.format(
                port=self.port,
                folder=folder,
                heartbeat_s=HEARTBEAT_S,
                first=first.base_url,
                second=second.base_url,
            )
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the process and wait until it answers."""
        with (self._folder / "serve.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(Path(sys.executable).with_name("yaoki")),
                "--config",
                str(self._folder / "yaoki.toml"),
                "serve",
                stdout=log,
                stderr=log,
                env={**os.environ, "NO_PROXY": "127.0.0.1"},
            )
        async with asyncio.timeout(_UP_WITHIN_S):
            while not await self._answers():
                assert self._process.returncode is None, self.said
                await asyncio.sleep(0.05)  # no event tells across processes that a port is open

    async def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, and wait for the clean end."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def history(self, session: str) -> dict[str, Any]:
        """What the server's log says, told as messages."""
        async with httpx2.AsyncClient() as client:
            return (await client.get(f"{self.url}/ai/sessions/{session}/history")).raise_for_status().json()

    def lose_log_id(self) -> None:
        """Leave the store as an unclean end of the whole machine would: under another log id at the next start."""
        with sqlite3.connect(self._folder / "yaoki.db") as database:
            database.execute("UPDATE yaoki_meta SET value = 'of-an-earlier-boot' WHERE key = 'boot'")
        database.close()

    @property
    def said(self) -> str:
        return (self._folder / "serve.log").read_text()

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
