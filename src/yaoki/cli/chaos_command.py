"""The user's own command, run once: what it printed, how it ended, and nothing of it left behind."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

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
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # a group of its own, to be ended as a whole; and Ctrl-C is ours
        )
    except OSError as error:
        raise ConfigurationSettingError(f"{words[0]}: cannot be started ({error.strerror}).") from error
    out, err = bytearray(), bytearray()
    pipes = [asyncio.create_task(_drain(process.stdout, out)), asyncio.create_task(_drain(process.stderr, err))]
    try:
        in_time = await _ended(process, timeout_s)
        took_s = SYSTEM_CLOCK.monotonic() - began
    finally:
        _kill_group(process.pid)
        await asyncio.wait(pipes, timeout=_DRAIN_S)
        for pipe in pipes:
            pipe.cancel()
        await asyncio.wait(pipes)
        await process.wait()
    return Ran(
        stdout=out.decode(errors="replace"),
        stderr=err.decode(errors="replace"),
        exit_code=process.returncode if in_time else None,
        took_s=round(took_s, 2),
    )


async def _ended(process: asyncio.subprocess.Process, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await process.wait()
    except TimeoutError:
        return False
    return True


async def _drain(pipe: asyncio.StreamReader | None, kept: bytearray) -> None:
    while pipe is not None and (data := await pipe.read(65_536)):
        kept += data[: max(0, _KEPT - len(kept))]


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
