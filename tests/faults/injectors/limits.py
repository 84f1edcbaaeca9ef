"""What the kernel lets a running process have."""

import contextlib
import resource
from collections.abc import Iterator

import psutil


@contextlib.contextmanager
def no_memory(process: psutil.Process, spare_bytes: int) -> Iterator[None]:
    """The process may map so much more than it has, and no more."""
    with _limited(process, resource.RLIMIT_AS, process.memory_info().vms + spare_bytes):
        yield


@contextlib.contextmanager
def no_descriptors(process: psutil.Process, spare: int) -> Iterator[None]:
    """The process may open so many more files and sockets than it has open, and no more."""
    with _limited(process, resource.RLIMIT_NOFILE, process.num_fds() + spare):
        yield


@contextlib.contextmanager
def _limited(process: psutil.Process, what: int, limit: int) -> Iterator[None]:
    soft, hard = resource.prlimit(process.pid, what)
    resource.prlimit(process.pid, what, (limit, hard))
    try:
        yield
    finally:
        if process.is_running():
            resource.prlimit(process.pid, what, (soft, hard))
