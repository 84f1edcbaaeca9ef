"""`yaoki` as a person has it: a process, with pipes or with a terminal of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = (sys.executable, "-c", "from yaoki.cli import main; main()")


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Home:
    """A machine's user: a folder for settings and data, and nothing else in the environment."""

    folder: Path
    variables: Mapping[str, str]

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
        own = {"HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder / "data"), "PYTHONUTF8": "1"}
        return {**kept, **own, **self.variables}

    def settings(self, text: str) -> None:
        (self.folder / "yaoki.toml").write_text(text)

    async def yaoki(self, *arguments: str, typed: str = "") -> Ended:
        """Run a command to its end, with `typed` on its standard input."""
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *arguments,
            cwd=self.folder,
            env=self.environ,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(typed.encode())
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    @asynccontextmanager
    async def terminal(self, *arguments: str) -> AsyncGenerator["Terminal", None]:
        """Run a command on a terminal; it is killed at the end if it has not ended."""
        ours, theirs = os.openpty()
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *arguments, cwd=self.folder, env=self.environ, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        terminal = Terminal(process, ours)
        asyncio.get_running_loop().add_reader(ours, terminal.take)
        try:
            yield terminal
        finally:
            asyncio.get_running_loop().remove_reader(ours)
            os.close(ours)
            if process.returncode is None:
                process.kill()
            await process.wait()


class Terminal:
    """What is on the screen, and the keys."""

    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self.screen = ""
        self._process = process
        self._descriptor = descriptor
        self._changed = asyncio.Event()

    def take(self) -> None:
        try:
            self.screen += os.read(self._descriptor, 65_536).decode(errors="replace")
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._changed.set()

    async def shows(self, text: str, *, times: int = 1, within_s: float = 20.0) -> None:
        """Wait until `text` is on the screen, so many times."""
        try:
            async with asyncio.timeout(within_s):
                while self.screen.count(text) < times:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{text!r} is not on the screen:\n{self.screen}") from None

    def types(self, line: str) -> None:
        os.write(self._descriptor, f"{line}\n".encode())

    def ctrl_d(self) -> None:
        os.write(self._descriptor, b"\x04")

    def ctrl_c(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self._process.kill()

    async def interrupted(self) -> int:
        """Ctrl-C at the prompt, until it has ended.

        Between showing a prompt and waiting for a key, readline lets a Ctrl-C pass unseen: a person presses it again.
        """
        self.ctrl_c()
        try:
            return await self.ended(within_s=5.0)
        except TimeoutError:
            self.ctrl_c()
            return await self.ended()

    async def ended(self, *, within_s: float = 20.0) -> int:
        async with asyncio.timeout(within_s):
            return await self._process.wait()
