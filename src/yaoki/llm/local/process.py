"""One process of an embedded model, from its spawn to its end, as its parent sees it."""

import asyncio
import errno
import json
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any, NoReturn, cast

HOST = "127.0.0.1"
_CHILD = (sys.executable, "-P", "-m", "yaoki.llm.local.child")
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
_LOG_LINES = 40
_LOG_LINE_BYTES = 400
_CAUSE_LINES = 2
_LAST_LINES = 3
_AFTER_A_MISS_S = 0.1
"""Time for the news of its end to come, if that is why it did not answer."""
_CLOCK_AND_LEVEL = re.compile(r"^\d+\.\d+\.\d+\.\d+ [A-Z] ")
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN})
"""What keeps us from asking says nothing about who would be asked."""


class ProcessEndedError(Exception):
    """The process is not there any more, or never served. Its text is the reason.

    Attributes:
        refused: The runtime refused the order: another process would end the same way.
    """

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class ModelProcess:
    """A spawned process. Whoever spawned it must `kill` it, whatever happened to it.

    It inherits no descriptor of ours (a lock would live on in it) and next to nothing of the environment (our
    providers' keys are not its business), and the terminal's signals do not reach it: it ends when we do, not before.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._orders = cast("asyncio.StreamWriter", process.stdin)
        self._reports = cast("asyncio.StreamReader", process.stdout)
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._logging = asyncio.create_task(self._read_log(), name=f"log of process {process.pid}")
        self.pid = process.pid
        self.port = 0

    @classmethod
    async def spawn(cls, order: Mapping[str, Any]) -> "ModelProcess":
        """Start a process that carries out the order (see `child`).

        Raises:
            OSError: The system has no room for another process.
        """
        process = await asyncio.create_subprocess_exec(
            *_CHILD,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(os.environ),
            start_new_session=True,
        )
        child = cls(process)
        child._orders.write(json.dumps({**order, "host": HOST}).encode() + b"\n")
        return child

    async def serving(self, timeout_s: float) -> None:
        """Wait until it serves; `port` is known then.

        Raises:
            ProcessEndedError: It will not, and why; or it has not within `timeout_s` seconds.
        """
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._reports.readline()
                if not line.endswith(b"\n"):
                    raise ProcessEndedError(await self._epitaph())
        except TimeoutError:
            raise ProcessEndedError(f"did not start within {timeout_s:g} s") from None
        said: dict[str, Any] = json.loads(line)
        if "port" not in said:
            await self._logging
            raise ProcessEndedError(f"did not load: {self._cause() or said['error']}", refused=True)
        self.port = int(said["port"])

    async def watch(self, *, every_s: float, timeout_s: float) -> NoReturn:
        """Stay until it ends or is frozen: does not answer twice in a row.

        Two, since a first miss may be ours: after this process itself was stopped for a while, the deadline has passed
        although the answer has come.

        Raises:
            ProcessEndedError: Always, and why.
        """
        exited = asyncio.create_task(self._process.wait(), name=f"end of process {self.pid}")
        misses = 0
        try:
            while misses < 2:
                misses = 0 if await self._answers(timeout_s) else misses + 1
                await asyncio.wait({exited}, timeout=_AFTER_A_MISS_S if misses else every_s)
                if exited.done():
                    raise ProcessEndedError(await self._epitaph())
        finally:
            exited.cancel()
        raise ProcessEndedError(f"was frozen: twice no answer within {timeout_s:g} s")

    async def kill(self) -> None:
        """End it, however it is, and leave nothing behind."""
        if self._process.returncode is None:
            self._process.kill()  # it holds nothing worth a goodbye
        self._orders.close()
        await self._process.wait()
        await self._logging

    async def _answers(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_connection(HOST, self.port)
                try:
                    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    return bool(await reader.readline())
                finally:
                    writer.close()
        except TimeoutError:
            return False
        except OSError as error:
            return error.errno in _OURS

    async def _read_log(self) -> None:
        """Keep the last lines. Lines without an end are cut into pieces, so memory stays bounded."""
        stream = cast("asyncio.StreamReader", self._process.stderr)
        rest = b""
        while piece := await stream.read(_LOG_LINE_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > _LOG_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            self._log.extend(line.decode(errors="replace") for line in lines)
        if rest:
            self._log.append(rest.decode(errors="replace"))

    async def _epitaph(self) -> str:
        """How it ended, once its log is complete."""
        code = await self._process.wait()
        await self._logging
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        if code == -signal.SIGILL:
            how += " (this processor lacks an instruction that the runtime needs)"
        words = " | ".join(self._lines()[-_LAST_LINES:])
        return f"{how}: {words}" if words else how

    def _cause(self) -> str:
        """Why it did not load: the first errors; what follows them is consequence."""
        return " | ".join(self._lines()[:_CAUSE_LINES])

    def _lines(self) -> list[str]:
        return [_CLOCK_AND_LEVEL.sub("", line).strip() for line in self._log if line.strip()]


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What the child needs of ours; and its threads sleep while they wait, else several models wear each other out."""
    return {
        **{name: ours[name] for name in _INHERITED if name in ours},
        "OMP_WAIT_POLICY": "passive",
        "PYTHONUNBUFFERED": "1",
    }


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
