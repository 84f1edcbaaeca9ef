"""The user's own command, run once: what it printed, how it ended, and nothing of it left behind."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from yaoki.errors import ConfigurationSettingError
from yaoki.resilience.clock import SYSTEM_CLOCK

_KEPT = 262_144
"""Bytes of each output that are kept; what comes after is read and dropped."""
_DRAIN_S = 1.0
"""What is still in the pipes once the command has ended; a child that it left behind may hold them open."""
BASE_URL = "{base_url}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run.

    Attributes:
        exit_code: Its exit code, negative for a signal; None if it had to be killed because its time was up.
        took_s: Seconds from its start to its end.
    """

    stdout: str
    stderr: str
    exit_code: int | None
    took_s: float


def surroundings(environ: Mapping[str, str], base_url: str, *, key: str | None = None) -> dict[str, str]:
    """The environment of the command: the one here, with the base URL, and a key if there is none."""
    local = "127.0.0.1,localhost"
    no_proxy = ",".join(filter(None, (environ.get("NO_PROXY") or environ.get("no_proxy"), local)))
    own = {"OPENAI_BASE_URL": base_url, "OPENAI_API_BASE": base_url, "NO_PROXY": no_proxy, "no_proxy": no_proxy}
    return {**({"OPENAI_API_KEY": key} if key else {}), **environ, **own, "PYTHONUNBUFFERED": "1"}


async def run(command: Sequence[str], base_url: str, environ: Mapping[str, str], *, timeout_s: float) -> Ran:
    """Run it to its end, or for `timeout_s` seconds; then its whole process group is killed, also on cancellation.

    Raises:
        ConfigurationSettingError: It cannot be started.
    """
    words = [word.replace(BASE_URL, base_url) for word in command]
    began = SYSTEM_CLOCK.monotonic()
    async with _Capture() as out, _Capture() as err:
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                env=dict(environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out.sink,
                stderr=err.sink,
                start_new_session=True,  # a group of its own, to be ended as a whole; and Ctrl-C is ours
            )
        except OSError as error:
            raise ConfigurationSettingError(f"{words[0]}: cannot be started ({error.strerror}).") from error
        try:
            in_time = await _ended(process, timeout_s)
            took_s = SYSTEM_CLOCK.monotonic() - began
        finally:
            _kill_group(process.pid)
            await process.wait()
        return Ran(
            stdout=await out.text(),
            stderr=await err.text(),
            exit_code=process.returncode if in_time else None,
            took_s=round(took_s, 2),
        )


class _Capture:
    """A pipe that is always read. asyncio's own would make `wait` wait for whoever else holds them.

    Attributes:
        sink: What a process writes to.
    """

    def __init__(self) -> None:
        self._source, self.sink = os.pipe()
        self._kept = bytearray()

    async def __aenter__(self) -> Self:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        self._pipe, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(self._source, "rb")
        )
        self._reading = asyncio.create_task(self._read(reader), name="a command's output")
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._close_sink()
        self._reading.cancel()
        await asyncio.wait({self._reading})
        self._pipe.close()

    async def text(self) -> str:
        """What was written; whoever still holds the pipe after a second is not waited for."""
        self._close_sink()
        await asyncio.wait({self._reading}, timeout=_DRAIN_S)
        return self._kept.decode(errors="replace")

    def _close_sink(self) -> None:
        sink, self.sink = self.sink, -1
        if sink >= 0:
            os.close(sink)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65_536):
            self._kept += data[: max(0, _KEPT - len(self._kept))]


async def _ended(process: asyncio.subprocess.Process, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await process.wait()
    except TimeoutError:
        return False
    return True


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
