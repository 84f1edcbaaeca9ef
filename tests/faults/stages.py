"""One server for a whole file of tests: models m0, m1 and m2 whose scripts each test sets."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.harness import Stage
from yaoki.faults import Script


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A server with three providers."""
    async with Stage(tmp_path_factory.mktemp("server"), Script(), Script(), Script()) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def stage(shared_stage: Stage) -> AsyncIterator[Stage]:
    """The same, running, with healthy providers that have seen nothing; its log is shown when the test fails."""
    shown = len(shared_stage.server.log)
    if not shared_stage.server.alive:
        await shared_stage.server.start()
    await shared_stage.play(Script(), Script(), Script())
    yield shared_stage
    await shared_stage.cut_pages()
    print(shared_stage.server.log[shown:][-6_000:])
