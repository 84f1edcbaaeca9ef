"""A disk of a few megabytes for one server: a tmpfs in a mount namespace of its own, so nobody else ever sees it."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_HOLD = 'mount -t tmpfs -o "size=$1" yaoki-disk "$2" && echo mounted && read -r _'
_CHUNK = bytes(4096)


class Disk:
    """Use `small_disk`.

    Args:
        holder: The process that keeps the mount namespace.
        folder: Where the disk is mounted, as the server sees it.
    """

    def __init__(self, holder: int, folder: Path) -> None:
        self.folder = folder
        self.enter = ["nsenter", f"--target={holder}", "--mount", "--"]
        self._seen = Path(f"/proc/{holder}/root") / folder.relative_to("/")

    def path(self, name: str) -> Path:
        """A file of the disk as this process can open it."""
        return self._seen / name

    def fill(self) -> None:
        """Leave no free page."""
        with self.path("ballast").open("ab", buffering=0) as ballast:
            while _written(ballast.fileno()):
                pass

    def free(self) -> None:
        """Give back what `fill` took."""
        self.path("ballast").unlink(missing_ok=True)

    async def remount(self, options: str) -> None:
        """Mount again with other options, for example `ro`; refused while somebody has a file open for writing."""
        await _run(*self.enter, "mount", "-o", f"remount,{options}", str(self.folder))


@asynccontextmanager
async def small_disk(folder: Path, megabytes: int = 4) -> AsyncIterator[Disk]:
    """Mount a disk at `folder`; it and what it holds are gone when this is left and its last user has ended."""
    folder.mkdir()
    pipe = asyncio.subprocess.PIPE
    holder = await asyncio.create_subprocess_exec(
        *("unshare", "--mount", "--propagation=private", "sh", "-c", _HOLD, "hold", f"{megabytes}m", folder),
        stdin=pipe,
        stdout=pipe,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert await holder.stdout.readline() == b"mounted\n", "mount namespaces need root"
        yield Disk(holder.pid, folder)
    finally:
        holder.stdin.close()
        await holder.wait()


def _written(file: int) -> bool:
    try:
        return os.write(file, _CHUNK) > 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
