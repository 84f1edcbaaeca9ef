"""The writer: whatever becomes of it, nobody waits for it in vain."""

import asyncio
import logging
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Connection

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


async def test_whoever_waits_for_the_disk_stands_before_those_who_do_not(store: Store) -> None:
    held, order = threading.Event(), list[str]()

    def hold(_connection: Connection) -> None:
        held.wait(10)

    def note(name: str) -> Callable[[Connection], None]:
        return lambda _connection: order.append(name)

    holding = asyncio.create_task(store.database.write(hold))
    await asyncio.sleep(0)
    light = [asyncio.create_task(store.database.write(note(f"light {n}"))) for n in range(3)]
    durable = asyncio.create_task(store.database.write(note("durable"), durable=True))
    await asyncio.sleep(0)
    held.set()
    await asyncio.gather(holding, *light, durable)
    assert order == ["durable", "light 0", "light 1", "light 2"]
