"""An event loop in a thread, so that the terminal keeps the main one, where Ctrl-C and line editing belong."""

import asyncio
import threading
from collections.abc import Coroutine, Generator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Background:
    """Runs coroutines in a loop of its own. Leaving the `with` cancels what still runs and waits for it."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="yaoki-loop")
        self._loop: asyncio.AbstractEventLoop
        self._leave: asyncio.Event

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin `work`; its future may be waited for in any thread, and cancelled."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    @contextmanager
    def hold(self, resource: AbstractAsyncContextManager[T]) -> Generator[T, None, None]:
        """Keep an asynchronous context open in the loop, entered and left by one and the same task."""
        entered: Future[T] = Future()
        leave = asyncio.Event()

        async def live() -> None:
            async with resource as value:
                entered.set_result(value)
                await leave.wait()

        lifetime = self.start(live())
        waiting: set[Future[Any]] = {entered, lifetime}
        wait(waiting, return_when=FIRST_COMPLETED)
        if not entered.done():
            lifetime.result()
        try:
            yield entered.result()
        finally:
            self._loop.call_soon_threadsafe(leave.set)
            lifetime.result()

    async def _live(self) -> None:
        self._loop, self._leave = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._leave.wait()
