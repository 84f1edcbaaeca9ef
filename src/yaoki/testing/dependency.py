"""Something to call that fails on cue."""

import asyncio
from collections.abc import Sequence


class FakeDependency:
    """Answers or fails as scripted, and counts who reached it.

    Args:
        script: One entry for each call, in order: an exception to raise, or a value to return. The last one repeats.

    Attributes:
        calls: Calls that reached it.
        inside: Calls that are in it now.
        most_inside: The most that were in it at once.
        gate: Calls wait here while it is closed; it starts open.

    Example:
        >>> weather = FakeDependency([ConnectionRefusedError(), "sunny"])
        >>> async def twice():
        ...     try:
        ...         await weather()
        ...     except ConnectionRefusedError:
        ...         return await weather()
        >>> asyncio.run(twice()), weather.calls
        ('sunny', 2)
    """

    def __init__(self, script: Sequence[object] = ("ok",)) -> None:
        self.script = list(script)
        self.calls = 0
        self.inside = 0
        self.most_inside = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, *_args: object, **_kwargs: object) -> object:
        """One call."""
        step = self.script[min(self.calls, len(self.script) - 1)]
        self.calls += 1
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
        finally:
            self.inside -= 1
        if isinstance(step, BaseException):
            raise step
        return step
