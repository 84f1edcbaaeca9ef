"""Finding the server to talk to, or starting one inside this process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from yaoki.cli.client import Client
from yaoki.errors import CommunicationConnectionLostError
from yaoki.store.lock import holder_of

if TYPE_CHECKING:
    from yaoki.settings import Settings


async def running_server(settings: "Settings") -> str | None:
    """The address of the server that runs with these settings, or None.

    It is where the settings say, or where the process that holds the database says that it is.

    Raises:
        CommunicationConnectionLostError: A process holds the database and answers nowhere.
    """
    if await _answers(settings.server.url):
        return settings.server.url
    holder = holder_of(settings.store.path)
    if holder is None:
        return None
    pid, address = holder
    if address and await _answers(address):
        return address
    raise CommunicationConnectionLostError(
        f"Process {pid} runs the database {settings.store.path} and does not answer"
        f"{f' at {address}' if address else ''}; wait until it has started, or end it."
    )


@asynccontextmanager
async def server_for(settings: "Settings") -> AsyncGenerator[str, None]:
    """The address of the running server, or of one that lives as long as the context.

    Raises:
        ConfigurationError: One must be started, and something that it needs is missing.
    """
    running = await running_server(settings)
    if running:
        yield running
        return
    from yaoki.app import hosted  # seconds of imports that a client does without

    async with hosted(replace(settings, server=settings.server.model_copy(update={"port": 0}))) as address:
        yield address


async def _answers(address: str) -> bool:
    async with Client(address) as client:
        return await client.readiness() is not None
