"""The writer: whatever becomes of it, nobody waits for it in vain."""

import logging

import pytest

from yaoki.errors import SessionStoreUnavailableError
from yaoki.store.store import Store


@pytest.mark.requirement("P-6")
async def test_a_writer_that_breaks_off_refuses_and_begins_again(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    writer = store.database._writer
    assert writer is not None
    thread = writer._thread
    for _ in range(2):
        thread.shutdown()  # as if the system had no thread to give
        with caplog.at_level(logging.CRITICAL), pytest.raises(SessionStoreUnavailableError):
            await store.check()
    assert "broke off, and begins again" in caplog.text
    writer._thread = type(thread)(1)
    await store.check()
