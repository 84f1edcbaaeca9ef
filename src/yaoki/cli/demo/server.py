"""A real `yaoki serve` for the demo: its own process, in a temporary folder, on a port that stays over restarts."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from yaoki.cli.client import Client
from yaoki.errors import CommunicationConnectionLostError
from yaoki.resilience.clock import SYSTEM_CLOCK

HOST = "127.0.0.1"
FIRST, SECOND = "first", "second"
_COMMAND = (sys.executable, "-P", "-m", "yaoki.cli.demo.serve")
_READY_S = 60.0
_LOOK_AGAIN_S = 0.05
_HEARTBEAT_S = 1.0
_SETTINGS = """\
[server]
port = {port}

[store]
url = "sqlite:///{folder}/yaoki.db"

[limits]
heartbeat_s = {heartbeat_s}

[models.{first}]
provider = "openai"
model = "{first}"
base_url = "{base_url}"
fallbacks = ["{second}"]
continuation = "prefill"

[models.{second}]
provider = "local"
max_output_tokens = 600

[agents.default]
model = "{first}"
instructions = "{instructions}"
"""


class DemoServer:
    """Starts, kills and starts again. Use as an asynchronous context manager: nothing of it outlives that.

    Args:
        folder: For settings, database and log.
        base_url: Where the first model of the chain is served. The second one is the server's own embedded model.
        instructions: What the agent is told to be.
    """

    def __init__(self, folder: Path, base_url: str, instructions: str) -> None:
        port = _free_port()
        self.url = f"http://{HOST}:{port}"
        self._settings = folder / "yaoki.toml"
        self._log = folder / "server.log"
        self._process: asyncio.subprocess.Process | None = None
        self._settings.write_text(
            _SETTINGS.format(
                port=port,
                folder=folder,
                base_url=base_url,
                instructions=instructions,
                first=FIRST,
                second=SECOND,
                heartbeat_s=_HEARTBEAT_S,
            ),
            encoding="utf-8",
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.kill()

    @property
    def pid(self) -> int | None:
        """The process that runs; None between two."""
        return self._process.pid if self._process else None

    def client(self) -> Client:
        """A client of this server, to be entered."""
        return Client(self.url, heartbeat_s=_HEARTBEAT_S)

    async def start(self) -> None:
        """Spawn it; returns at once."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("YAOKI_")}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_COMMAND,
                "--config",
                str(self._settings),
                "serve",
                env=kept,
                cwd=self._settings.parent,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is the demo's business; the server ends when that does
            )

    async def until_ready(self) -> None:
        """Wait until it answers and its embedded model is there.

        Raises:
            CommunicationConnectionLostError: It has ended instead, or takes longer than a minute; with its last words.
        """
        deadline = SYSTEM_CLOCK.monotonic() + _READY_S
        async with self.client() as client:
            while not _is_ready(await client.readiness()):
                ended = self._process is None or self._process.returncode is not None
                if ended or SYSTEM_CLOCK.monotonic() > deadline:
                    said = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
                    last = f" Its last words: {said[-1]}" if said else ""
                    raise CommunicationConnectionLostError(f"yaoki serve {'ended' if ended else 'is not ready'}.{last}")
                await asyncio.sleep(_LOOK_AGAIN_S)

    async def kill(self) -> bool:
        """End it as `kill -9` does; returns whether it was this that ended it."""
        if self._process is None:
            return False
        if self._process.returncode is None:
            self._process.kill()
        process, self._process = self._process, None
        return await process.wait() == -signal.SIGKILL


def _is_ready(state: Mapping[str, Any] | None) -> bool:
    """The server takes questions, and its embedded model answers."""
    return state is not None and state["ready"] and all(note == "ready" for note in state["notes"].values())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]
