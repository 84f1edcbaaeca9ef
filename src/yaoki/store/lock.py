"""The runner's lock: one process at a time runs the turns of a database file."""

import fcntl
import os
from pathlib import Path

from yaoki.errors import ConfigurationSettingError


class RunnerLock:
    """An advisory lock beside the database, freed by the kernel when its process ends, however it ends.

    The descriptor is not inherited, so a model's process that outlives us for a moment cannot keep the lock.
    """

    def __init__(self, database: Path) -> None:
        self._path = _path_of(database)
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock without waiting.

        Raises:
            ConfigurationSettingError: Another process has it; the message names its pid.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 64).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            raise ConfigurationSettingError(
                f"The database {self._path.with_suffix('')} is in use by another yaoki (pid {holder.split()[0]}). "
                "Stop that one, or give this one its own store.url.",
                key="store.url",
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def note(self, text: str) -> None:
        """Write a line for whoever finds the lock taken, for example the server's address, after the pid."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()} {text}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back. Does nothing if it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def holder_of(database: Path) -> tuple[int, str] | None:
    """Who holds the runner's lock of a database: its pid and its note, or None if nobody does."""
    path = _path_of(database)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, note = os.read(fd, 256).decode(errors="replace").strip().partition(" ")
        return (int(pid) if pid.isdigit() else 0), note
    finally:
        os.close(fd)
    return None


def _path_of(database: Path) -> Path:
    """Beside the file itself: a link to it is another name of the same database."""
    real = database.resolve()
    return real.with_name(real.name + ".lock")
