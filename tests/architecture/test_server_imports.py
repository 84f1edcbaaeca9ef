"""What a running server has in memory: nothing that only another command, an agent or an old database needs."""

import subprocess
import sys
from pathlib import Path

import pytest

IN_A_FRESH_PYTHON = """
import asyncio, sys
from pathlib import Path
import yaoki.cli.serve
from yaoki.app.compose import composed
from yaoki.settings import load

async def start() -> None:
    async with composed(load(Path(sys.argv[1]))) as application:
        for chain in application.chains.values():
            for candidate in chain.candidates:
                await candidate.learn(10.0)
        print(*sys.modules)

asyncio.run(start())
"""

SPARED = {
    "alembic": "only an older database is migrated",
    "mako": "Alembic's",
    "anthropic": "no model of this server is there",
    "openai": "agents ask through it: imported with the first one's question",
    "genai_prices.data": "the table of prices is read with the first answer",
    "markdown": "nobody reads documents here",
}


@pytest.mark.slow
def test_a_server_of_openai_models_loads_no_sdk_and_no_migrations_before_they_are_needed(tmp_path: Path) -> None:
    settings = tmp_path / "yaoki.toml"
    settings.write_text(
        f'[store]\nurl = "sqlite:///{tmp_path}/yaoki.db"\n'
        '[models.main]\nprovider = "openai"\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"\n'
    )
    command = [sys.executable, "-c", IN_A_FRESH_PYTHON, str(settings)]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert "yaoki.store.database" in loaded
    assert sorted(set(SPARED) & set(loaded)) == []
