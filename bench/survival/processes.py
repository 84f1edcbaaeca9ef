"""A gateway as a process on a port of its own."""

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from yaoki.resilience.clock import SYSTEM_CLOCK

ROOT = Path(__file__).parents[2]
_START_S = 180.0
_END_S = 10.0


@contextmanager
def running(command: Sequence[str | Path], port: int) -> Iterator[str]:
    """The base URL of a process that is up once its port takes connections.

    Raises:
        RuntimeError: It ended before it was up, or did not come up within three minutes.
    """
    sink = None if os.environ.get("SURVIVAL_DEBUG") else subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=sink) as process:
        try:
            until_open(port, process)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait for a process to take connections.

    Raises:
        RuntimeError: It ended before it was up, or did not come up within three minutes.
    """
    deadline = SYSTEM_CLOCK.monotonic() + _START_S
    while SYSTEM_CLOCK.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise RuntimeError("It ended before it was up, or did not come up.")
