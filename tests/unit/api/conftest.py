from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.unit.api.served import Served
from tests.unit.quick_retries import quick_retries
from yaoki.api import ApiPolicy

__all__ = ["quick_retries"]

Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Serves the application over this test's database."""
    return partial(Served.at, tmp_path / "yaoki.db")


@pytest.fixture
async def served(serve: Serve) -> AsyncIterator[Served]:
    async with serve(ApiPolicy()) as served:
        yield served
