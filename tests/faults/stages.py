"""One server for a whole file of tests: models m0, m1 and m2 whose scripts each test sets."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.harness import Stage
from yaoki.faults import Script


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A running server with three healthy providers."""
    async with Stage(tmp_path_factory.mktemp("server"), Script(), Script(), Script()) as running:
        yield running
