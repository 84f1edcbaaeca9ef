"""System calls of a running process that fail or take long, by strace: the real server, the real kernel, no shim.

    async with tampered(pid, "pwrite64", "error=EIO", path=wal) as tampering:
        …
    assert tampering.fired

`tamper` is what strace takes after `inject=<call>:`, such as `error=ENOSPC`, `delay_enter=5s`, `when=1`.
"""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_ATTACH_S = 10.0


class Tampering:
    """What strace has seen and done; it may be looked at while it goes on, and afterwards."""

    def __init__(self, record: Path) -> None:
        self._record = record
        self._kept = ""

    @property
    def calls(self) -> list[str]:
        """The traced calls so far, one line each."""
        return (self._record.read_text(errors="replace") if self._record.exists() else self._kept).splitlines()

    @property
    def fired(self) -> int:
        """How many calls were tampered with."""
        return sum("(INJECTED)" in call or "(DELAYED)" in call for call in self.calls)

    def keep(self) -> None:
        """The record is about to be deleted."""
        self._kept = self._record.read_text(errors="replace")


@asynccontextmanager
async def tampered(
    pid: int, calls: str, tamper: str, *, path: Path | None = None, threads: bool = True
) -> AsyncIterator[Tampering]:
    """Tamper with system calls of a process until this is left.

    Args:
        calls: Names, separated by commas.
        tamper: What is done to them; empty only watches.
        path: Only calls on this file.
        threads: All threads of the process, or only its first one, in which its event loop runs.
    """
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record"
        options = [f"--trace={calls}", f"--output={record}"]
        options += [f"--inject={calls}:{tamper}"] if tamper else []
        options += [f"--trace-path={path}"] if path else []
        options += ["--follow-forks"] if threads else []
        tracer = await asyncio.create_subprocess_exec(
            "strace", *options, f"--attach={pid}", stderr=asyncio.subprocess.PIPE
        )
        tampering = Tampering(record)
        try:
            await _attached(tracer)
            yield tampering
        finally:
            if tracer.returncode is None:
                tracer.send_signal(signal.SIGINT)  # lets go of the process, which runs on
            await tracer.communicate()
            tampering.keep()


async def _attached(tracer: asyncio.subprocess.Process) -> None:
    assert tracer.stderr is not None
    async with asyncio.timeout(_ATTACH_S):
        said = (await tracer.stderr.readline()).decode()
    assert "attached" in said, f"strace: {said}"
