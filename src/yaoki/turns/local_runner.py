"""Runs turns in this process: one at a time in a session, the others in line, each session in a task of its own."""

import asyncio
import logging
import random
from collections.abc import Callable

from yaoki.errors import SessionStoreUnavailableError
from yaoki.store.contract import Turn
from yaoki.store.store import Store
from yaoki.turns.turn import Left, TurnRun

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_SUSPICIOUS_CLAIMS = 2
_SUSPECT_S = 10.0
"""How long one suspect may keep the next one waiting."""

_log = logging.getLogger(__name__)


class LocalRunner:
    """Claims and runs open turns until it is told to stop.

    A turn that was claimed twice and brought no word may be what crashed the processes before this one. Such suspects
    run one after the other, each after a pause, while all other turns run as usual. So the one that crashes the process
    takes no other suspect with it, and is parked before long.

    Args:
        begin: Makes the run of a claimed turn.
        max_running: Turns at the same time; further sessions wait.
    """

    def __init__(
        self,
        store: Store,
        begin: Callable[[Turn], TurnRun],
        *,
        max_running: int = 64,
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._begin = begin
        self._slots = asyncio.Semaphore(max_running)
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._runs: dict[str, TurnRun] = {}
        self._again: set[str] = set()
        self._suspects: dict[str, int] = {}
        self._questioning: asyncio.Task[None] | None = None
        self._draining = False

    @property
    def running(self) -> int:
        """Turns under way now."""
        return len(self._runs)

    async def start(self) -> int:
        """Take up every turn that an earlier process left open; returns in how many sessions."""
        claims = await self._store.turns.fruitless_claims()
        self._suspects = {session_id: count for session_id, count in claims.items() if count >= _SUSPICIOUS_CLAIMS}
        left_open = await self._store.turns.open_sessions()
        for session_id in left_open:
            self.submit(session_id)
        if self._suspects:
            _log.warning("%d turns broke off again and again without a word: one at a time now.", len(self._suspects))
            self._questioning = asyncio.create_task(self._question(), name="suspects")
        return len(left_open)

    def submit(self, session_id: str) -> None:
        """Run what is open in a session. More than once does no harm."""
        self._again.add(session_id)
        if session_id not in self._tasks and session_id not in self._suspects and not self._draining:
            task = asyncio.create_task(self._serve(session_id), name=f"session-{session_id}")
            self._tasks[session_id] = task
            task.add_done_callback(lambda _: self._ended(session_id))

    def stop(self, turn_ids: list[str]) -> None:
        """End running turns as cancelled; those in line end so when their turn comes."""
        for run in list(self._runs.values()):
            if run.turn.id in turn_ids:
                run.stop()

    async def leave(self, session_id: str) -> None:
        """Stop running anything in a session, without ending its turn; returns once nothing runs."""
        task = self._tasks.get(session_id)
        self._again.discard(session_id)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def drain(self, timeout_s: float) -> int:
        """Claim nothing more, and wait for the running turns; returns how many are still running after `timeout_s`."""
        self._claim_nothing_more()
        idle = [task for session_id, task in self._tasks.items() if session_id not in self._runs]
        for task in idle:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks.values()), timeout=timeout_s)
        return self.running

    async def aclose(self) -> None:
        """Stop at once. Turns that are still running stay open: the next start takes them up."""
        self._claim_nothing_more()
        tasks = set(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _claim_nothing_more(self) -> None:
        self._draining = True
        if self._questioning is not None:
            self._questioning.cancel()

    async def _question(self) -> None:
        """Run the suspects one after the other."""
        for session_id, claims in list(self._suspects.items()):
            await asyncio.sleep(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**claims))
            del self._suspects[session_id]
            self.submit(session_id)
            await asyncio.wait({self._tasks[session_id]}, timeout=_SUSPECT_S)

    def _ended(self, session_id: str) -> None:
        """A session's task is over. What was submitted after it had looked for the last time gets another one."""
        del self._tasks[session_id]
        if session_id in self._again:
            self.submit(session_id)

    async def _serve(self, session_id: str) -> None:
        pause_s = 0.0
        while session_id in self._again and not self._draining:
            self._again.discard(session_id)
            if pause_s:
                await asyncio.sleep(self._rng.uniform(pause_s / 2, pause_s))
            async with self._slots:
                left = await self._supervised(session_id)
            if left is Left.OPEN:
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2 or _FIRST_PAUSE_S)
            if left is Left.ENDED:
                pause_s = 0.0
            if left in (Left.OPEN, Left.ENDED):
                self._again.add(session_id)

    async def _supervised(self, session_id: str) -> Left | None:
        """Run the next turn; whatever breaks off leaves it open, and must not leave it without a runner."""
        try:
            return await self._run_next(session_id)
        except Exception:  # noqa: BLE001 - the supervisor of a session: see above
            _log.exception("A turn of %s broke off and stays open.", session_id)
            return Left.OPEN

    async def _run_next(self, session_id: str) -> Left | None:
        """Claim and run one turn; None if there is none to run."""
        try:
            turn = await self._store.turns.claim(session_id)
        except SessionStoreUnavailableError as error:
            _log.warning("No turn of %s could be claimed: %s", session_id, error)
            return Left.OPEN
        if turn is None:
            return None
        run = self._runs[session_id] = self._begin(turn)
        try:
            return await run.run()
        finally:
            del self._runs[session_id]
