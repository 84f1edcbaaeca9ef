from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.unit.quick_retries import quick_retries
from tests.unit.turns.instance import Instance
from yaoki.faults import ScriptedProvider
from yaoki.faults.script import Script

__all__ = ["quick_retries"]

Begin = Callable[..., Awaitable[Instance]]


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    """Starts an instance on this test's database over one scripted provider for each script."""
    async with AsyncExitStack() as stack:

        async def start(*scripts: Script, **policy: Any) -> Instance:
            providers = [await stack.enter_async_context(ScriptedProvider(script)) for script in scripts]
            instance = await Instance.start(tmp_path / "yaoki.db", providers, **policy)
            stack.push_async_callback(instance.aclose)
            return instance

        yield start
