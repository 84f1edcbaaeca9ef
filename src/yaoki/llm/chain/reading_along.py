"""A standby reads along: while one model answers, the next one reads the question, so that it can go on at once.

A model that takes over has to read the whole conversation before its first word. For an embedded one that is
milliseconds of processor time a token, more than a second after a few hundred; its server keeps what it has read, so
reading it early makes the pause as short as the words that were shown. Only for candidates whose policy says so:
elsewhere reading costs money.
"""

import asyncio
import logging
from contextlib import aclosing
from typing import Any

from yaoki.errors import AIOrchestrationError
from yaoki.llm.chain.candidates import Candidate

_log = logging.getLogger(__name__)


class ReadingAlong:
    """Owns the standbys' requests. Each ends with its first token, and a standby reads one question at a time."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, standby: Candidate, request: Any) -> None:
        """Let `standby` read `request` in the background, unless it reads another one."""
        if standby.name not in self._tasks:
            task = asyncio.create_task(self._read(standby, request), name=f"{standby.name} reads along")
            self._tasks[standby.name] = task
            task.add_done_callback(lambda _: self._tasks.pop(standby.name, None))

    async def aclose(self) -> None:
        """End what is under way."""
        tasks = set(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _read(self, standby: Candidate, request: Any) -> None:
        try:
            async with (
                asyncio.timeout(standby.policy.first_token_timeout_s),
                aclosing(standby.upstream.stream(request, None)) as deltas,
            ):
                async for _ in deltas:
                    return
        except (AIOrchestrationError, TimeoutError) as error:
            _log.debug("%s did not read along: %s", standby.name, error)
