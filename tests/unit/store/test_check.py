"""The store's own look at itself."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from yaoki.errors import SessionStoreUnavailableError
from yaoki.store.store import open_store


@contextmanager
def nothing_can_be_opened() -> Iterator[None]:
    """This process has no descriptor left; what it has open stays so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    try:
        while True:
            try:
                taken.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


@pytest.mark.requirement("P9", "P-7")
async def test_a_store_that_writes_and_cannot_read_is_not_well(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "yaoki.db")
    await store.database.write(lambda connection: connection.exec_driver_sql("SELECT 1"))
    with nothing_can_be_opened(), pytest.raises(SessionStoreUnavailableError):
        await store.check()
    await store.check()
    await store.aclose()
