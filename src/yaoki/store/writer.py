"""One writer with group commit: what waits while a commit is under way becomes the next commit.

Work is a plain function of a connection. A batch runs as one transaction; if any part of it fails, the batch is rolled
back and each part runs again alone, so that one refused write never takes another with it. Since a part may run twice,
it must take everything it needs from the connection and its own arguments. A store that cannot be used refuses the
whole batch at once: if each part were tried again alone, the last caller would wait for the timeouts of all others.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from yaoki.errors import SessionStoreUnavailableError
from yaoki.store.trouble import moved_error, store_error

T = TypeVar("T")
Work = Callable[[Connection], T]

_MAX_BATCH = 64
_MAX_LIGHT_BATCH = 8
"""Most parts in a commit without durable work, so that durable work never waits long for the commit before it."""

_log = logging.getLogger(__name__)


class _Part:
    """One piece of work on its way to a commit."""

    __slots__ = ("committed", "done", "durable", "work")

    def __init__(
        self, work: Work[Any], durable: bool, committed: Callable[[Any], None] | None, done: asyncio.Future[Any]
    ) -> None:
        self.work = work
        self.durable = durable
        self.committed = committed
        self.done = done


class Writer:
    """Commits work on one thread: durable work first, the rest in the order in which it was given.

    Args:
        engine: Its one connection is the only one that writes.
        path: The file behind it.

    Attributes:
        trouble: Why the newest commit failed; None since a commit has succeeded.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self.trouble: SessionStoreUnavailableError | None = None
        self._engine = engine
        self._path = path
        self._file = _identity(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="yaoki-writer")
        self._waiting: list[_Part] = []
        self._committing: list[_Part] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._durable: bool | None = None
        self._start()

    def _start(self) -> None:
        self._pump = asyncio.create_task(self._run(), name="store-writer")
        self._pump.add_done_callback(self._ended)

    async def run(self, work: Work[T], *, durable: bool = False, committed: Callable[[T], None] | None = None) -> T:
        """Commit `work` and return its value.

        Args:
            work: Runs on the writer's thread inside a transaction.
            durable: Whether the commit reaches the disk before this returns. Without it a commit survives the end of
                the process, but not of the machine.
            committed: Called on the event loop right after the commit, in the order of commits.

        Raises:
            SessionStoreUnavailableError: The store cannot write; nothing of `work` is kept.
            AIOrchestrationError: Whatever `work` raised.

        Cancelling the caller does not take the work back: once given, it is committed and `committed` is called.
        """
        if self._closing:
            raise SessionStoreUnavailableError("The store is closed.")
        part = _Part(work, durable, committed, asyncio.get_running_loop().create_future())
        self._waiting.append(part)
        self._wake.set()
        return await part.done

    async def aclose(self) -> None:
        """Commit what waits, then stop."""
        self._closing = True
        self._wake.set()
        await self._pump
        self._thread.shutdown()

    async def _run(self) -> None:
        while not (self._closing and not self._waiting):
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._committing = self._next_batch()
                if not await self._commit(batch):
                    for part in batch:
                        await self._commit([part])

    def _next_batch(self) -> list[_Part]:
        """What somebody waits for on disk goes first, everything else in the order in which it was given."""
        durable = [part for part in self._waiting if part.durable][:_MAX_BATCH]
        batch = durable or self._waiting[:_MAX_LIGHT_BATCH]
        taken = set(map(id, batch))
        self._waiting = [part for part in self._waiting if id(part) not in taken]
        return batch

    async def _commit(self, batch: list[_Part]) -> bool:
        """Commit a batch and settle its parts; False if one of several failed, and they are to be tried one by one."""
        loop = asyncio.get_running_loop()
        commit = loop.run_in_executor(self._thread, self._transact, batch)
        await asyncio.wait({commit})
        error = commit.exception()
        if error is None:
            self.trouble = None
            values = commit.result()
            for part, value in zip(batch, values, strict=True):
                if not part.done.done():
                    part.done.set_result(value)
            for part, value in zip(batch, values, strict=True):  # still before anybody who waited goes on
                if part.committed is not None:
                    part.committed(value)
            return True
        error = store_error(error, self._path)
        if isinstance(error, SessionStoreUnavailableError):
            self.trouble = error
        elif len(batch) > 1:
            return False
        for part in batch:
            if not part.done.done():
                part.done.set_exception(error)
        return True

    def _ended(self, pump: asyncio.Task[None]) -> None:
        """Something ended the writer (no memory, no thread): fail what was waiting, and start it again."""
        error = None if pump.cancelled() else pump.exception()
        if error is None:
            return
        _log.critical("The store's writer broke off, and begins again.", exc_info=error)
        lost = [part for part in (*self._committing, *self._waiting) if not part.done.done()]
        self._committing, self._waiting = [], []
        for part in lost:
            part.done.set_exception(SessionStoreUnavailableError("The store's writer broke off.", retry_after_s=2.0))
        self._start()

    def _transact(self, batch: list[_Part]) -> list[Any]:
        if _identity(self._path) != self._file:
            raise moved_error(self._path)
        durable = any(part.durable for part in batch)
        with self._engine.connect() as connection:
            if durable is not self._durable:
                # Changes only outside a transaction. A durable commit syncs all that went before it, too.
                self._durable = None
                driver = connection.connection.driver_connection
                assert driver is not None  # noqa: S101 - a connection that was just taken from the pool is open
                driver.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            with connection.begin():
                return [part.work(connection) for part in batch]


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to; None: to none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
