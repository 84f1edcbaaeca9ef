"""Node and the clients, installed once for each lock file into the environment that the tests run in."""

import asyncio
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from build_web import find_node

HERE = Path(__file__).parent
WAIT_S = 30.0
_MANIFESTS = (".npmrc", "package.json", "package-lock.json")
Told = dict[str, Any]


def installed() -> tuple[Path, Path]:
    """Node, and a folder that has the clients and their drivers."""
    tools = find_node()
    assert tools is not None, "node is in the development environment: make .venv/.dev"
    node, npm = tools
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = Path(sys.prefix) / f"clients-{lock}"
    done = folder / ".installed"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in _MANIFESTS:
            shutil.copy(HERE / name, folder)
        subprocess.run([node, npm, "ci"], cwd=folder, check=True, stdout=sys.stderr, timeout=300)
        done.touch()
    for driver in HERE.glob("*.mjs"):
        shutil.copy(driver, folder)
    return node, folder


class Frontend:
    """A published client at work.

    Attributes:
        thread: The thread that it speaks of.
        told: Everything that it has said, in order.
    """

    def __init__(self, process: asyncio.subprocess.Process, thread: str) -> None:
        self.thread = thread
        self.told: list[Told] = []
        self._process = process

    async def do(self, **command: Any) -> None:
        """Have it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()

    async def until(self, true: Callable[[Told], Any]) -> Told:
        """Listen until it says something of which this is true."""
        assert self._process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            while line := await self._process.stdout.readline():
                self.told.append(json.loads(line))
                if true(self.told[-1]):
                    return self.told[-1]
        raise AssertionError(f"it has ended, and said: {self.told}")

    async def done(self) -> Told:
        """Listen until what it does is done: `error`, and the `messages` that a person sees."""
        return await self.until(lambda told: told.get("done"))

    @property
    def events(self) -> list[str]:
        """The types of the events that it took, in order, without heartbeats."""
        return [told["event"] for told in self.told if "event" in told and told.get("name") != "yaoki.heartbeat"]


@asynccontextmanager
async def frontend(driver: str, url: str, thread: str) -> AsyncIterator[Frontend]:
    """A client of a server."""
    node, folder = await asyncio.to_thread(installed)
    process = await asyncio.create_subprocess_exec(
        node, folder / f"{driver}.mjs", url, thread, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield Frontend(process, thread)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
