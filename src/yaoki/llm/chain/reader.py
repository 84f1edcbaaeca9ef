"""Reads an upstream in a task of its own, under deadlines that only life extends: blanks are none.

One task and one armed timer per stream, not a timeout per token: the timer looks, when it fires, how long ago the last
sign of life was, and is armed again for the rest. Neighbouring pieces of text that came while nobody looked are handed
out as one. What is read ahead is bounded by the guard's cap. A deadline that fires does not wait for a request that
will not close: the task is cancelled and left to `Stragglers`, which owns it until it has ended.

    deadline      from                          fires after
    first_token   the request                   `first_token_timeout_s` without life
    idle          the last sign of life         `idle_timeout_s` without life
    drip          the first text                less than one character a second, over four idle timeouts
    total         the request                   what the turn has left
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Self

from yaoki.errors import ModelTimeoutError
from yaoki.llm.chain.candidates import CandidatePolicy
from yaoki.llm.chain.output_guard import OutputGuard
from yaoki.llm.deltas import Delta, Finish, Reasoning, Text
from yaoki.llm.seams.characters import UNSEEN
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock

MIN_CHARS_PER_S = 1.0
PACE_IDLES = 4
"""The pace is judged over so many idle timeouts."""
_GRACE_S = 0.05
"""Seconds that a request gets to close before the answer goes on without it."""
_AWAY_S = 0.25
"""A timer that fires so much too late says that we were frozen ourselves, so what came meanwhile is read first."""


class Stragglers:
    """Owns requests that are being closed after everybody has stopped waiting for them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def adopt(self, task: asyncio.Task[None]) -> None:
        """Keep a cancelled task until it has ended."""
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def aclose(self, timeout_s: float = 1.0) -> None:
        """Wait for the last of them, at most `timeout_s` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen: whatever a closing request had to say, nobody waits for it any more


class Reader:
    """The deltas of one request, in order, as an async iterator; use it as a context, so that the request is closed.

    Args:
        deltas: Closed by the reader.
        guard: Takes every delta; what is too much for it ends the response.
        policy: Its first-token and idle timeouts count from one sign of life to the next.
        total_s: Seconds that the whole request may take.
        stragglers: Who takes over a request that will not close.

    Attributes:
        first_token_s: Seconds from the request to the first sign of life; None before it.
    """

    def __init__(
        self,
        deltas: AsyncGenerator[Delta, None],
        guard: OutputGuard,
        policy: CandidatePolicy,
        total_s: float,
        stragglers: Stragglers,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._stragglers = stragglers
        self._guard = guard
        self._queue: deque[Delta] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._idle_s = policy.idle_timeout_s
        self._limit_s, self._phase = policy.first_token_timeout_s, "first_token"
        self._started = self._life = clock.monotonic()
        self._end = self._started + total_s
        self.first_token_s: float | None = None
        self._pace_from: tuple[float, int] | None = None
        self._excused = False
        self._overdue: ModelTimeoutError | None = None
        self._look_in(min(self._limit_s, self._idle_s, total_s))
        self._task = self._loop.create_task(self._pump(deltas))
        self._task.add_done_callback(self._wake)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        task = self._task
        if task.done():
            if not task.cancelled():
                task.exception()  # seen: it was raised to the reader, or nobody reads any more
            return
        if error is not None:
            task.cancel()
        self._stragglers.adopt(task)
        try:
            await asyncio.wait({task}, timeout=_GRACE_S)
        finally:
            task.cancel()

    @property
    def wrote_s(self) -> float:
        """Seconds from the first sign of life to the last one so far."""
        return 0.0 if self.first_token_s is None else self._life - self._started - self.first_token_s

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta:
        """The next delta.

        Raises:
            ModelTimeoutError: No sign of life in time; `facts["fault"]` is first_token, idle or total.
            ModelInferenceError: Whatever the upstream raised.
        """
        if self._overdue is not None:
            raise self._overdue
        queue = self._queue
        while not queue:
            if self._task.done():
                self._task.result()
                raise StopAsyncIteration
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        delta = queue.popleft()
        if type(delta) is Text and queue and type(queue[0]) is Text:
            pieces = [delta.text]
            while queue and type(piece := queue[0]) is Text:
                pieces.append(piece.text)
                queue.popleft()
            delta = Text("".join(pieces))
        return delta

    async def _pump(self, deltas: AsyncGenerator[Delta, None]) -> None:
        async with aclosing(deltas):
            async for delta in deltas:
                if _is_life(delta):
                    self._lives()
                if self._pace_from is None and type(delta) is Text:
                    self._pace_from = self._life, self._guard.chars
                self._guard.take(delta)
                self._queue.append(delta)
                if self._guard.excess is not None:
                    self._queue.append(Finish("length"))
                self._wake()
                if self._guard.excess is not None:
                    return

    def _lives(self) -> None:
        self._life = self._clock.monotonic()
        if self.first_token_s is None:
            self.first_token_s = self._life - self._started
            self._limit_s, self._phase = self._idle_s, "idle"

    def _wake(self, _: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _look_in(self, wait_s: float) -> None:
        self._looks_at = self._clock.monotonic() + wait_s
        self._timer = self._loop.call_later(wait_s, self._look)

    def _look(self) -> None:
        """The timer fired: fail whoever waits in vain, or look again when the next deadline is due."""
        now = self._clock.monotonic()
        due = min(self._life + self._limit_s, self._end)
        away = now - self._looks_at > _AWAY_S
        if away and not self._excused:
            self._excused = True
            self._look_in(_GRACE_S)
            return
        self._excused = away
        waiter = None if self._waiter is None or self._waiter.done() else self._waiter
        if waiter is None and now >= self._end and not self._task.done():
            self._overdue = self._missed("total", now)  # a loop too busy to wait hears of it with the next delta
        elif waiter is None or (now < due and not self._drips(now)):
            self._look_in(max(min(due - now, self._idle_s), _GRACE_S))  # the first token may come meanwhile
        else:
            phase = "total" if now >= self._end else self._phase if now >= due else "drip"
            waiter.set_exception(self._missed(phase, now))

    def _missed(self, phase: str, now: float) -> ModelTimeoutError:
        return ModelTimeoutError(f"The model's deadline passed: {phase}, {now - self._started:.1f} s.", fault=phase)

    def _drips(self, now: float) -> bool:
        """Whether so little came for so long that nobody would wait for the rest."""
        window_s = PACE_IDLES * self._idle_s
        if self._pace_from is None or now - self._pace_from[0] < window_s:
            return False
        chars = self._guard.chars - self._pace_from[1]
        self._pace_from = now, self._guard.chars
        return chars < window_s * MIN_CHARS_PER_S


def _is_life(delta: Delta) -> bool:
    return not isinstance(delta, Text | Reasoning) or bool(delta.text.strip(UNSEEN))
