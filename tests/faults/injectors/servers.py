"""A stage whose server runs inside of something: another mount namespace, another environment."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Self

import httpx2

from tests.faults.harness import Server, Stage
from yaoki.faults import Script

_YAOKI = Path(sys.executable).parent / "yaoki"


class PlacedServer(Server):
    """`yaoki serve` under a command, with more environment; otherwise as every `Server`."""

    under: list[str]
    environment: dict[str, str]

    async def spawn(self, *, settings: Path | None = None) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("YAOKI_")}
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(*self.under, _YAOKI, "--config", settings or self._settings, "serve"),
                env={**kept, "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder), **self.environment},
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


class PlacedStage(Stage):
    """A stage whose server runs `under` a command that ends in it, in a changed environment.

    Args:
        started: Start the server, and wait until it is ready.
    """

    def __init__(
        self,
        folder: Path,
        *scripts: Script,
        under: list[str] | None = None,
        environment: dict[str, str] | None = None,
        database: Path | None = None,
        started: bool = True,
        extra: str = "",
    ) -> None:
        super().__init__(folder, *scripts, extra=extra)
        self._under = under or []
        self._environment = environment or {}
        self._database = database
        self._started = started

    async def __aenter__(self) -> Self:
        for provider in self.providers:
            await self._stack.enter_async_context(provider)
        models = [provider.base_url for provider in self.providers]
        server = PlacedServer(self._folder, models, self._extra, database=self._database)
        server.under, server.environment = self._under, self._environment
        self.server = server
        self._stack.push_async_callback(server.kill)
        if self._started:
            await server.start()
        self.http = await self._stack.enter_async_context(
            httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=15.0)
        )
        return self
