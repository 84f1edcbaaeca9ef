"""Serving an instance over HTTP, from the first byte to a clean end.

SIGTERM or SIGINT   not ready; no new messages; running turns get `limits.drain_s` to end
then                every stream says that the server restarts, and ends
a second signal     skips the waiting; turns that still run stay open, and the next start takes them up
"""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import uvicorn

import yaoki.api
from yaoki.api.app import create_app
from yaoki.api.policy import ApiPolicy
from yaoki.api.server import allow_descriptors, server_config
from yaoki.api.v1.api_keys import ApiKeys
from yaoki.api.v1.face import OpenAIFront
from yaoki.app.compose import Application, composed
from yaoki.app.listener import Listener
from yaoki.errors import ConfigurationSettingError
from yaoki.llm.chain.budget import Purse, TurnBudget
from yaoki.settings import ServerSettings, Settings

_LINGER_S = 2.0
"""Seconds for clients to read the last frames of their streams."""

_LOOKUPS = 64
"""Names that may be looked up at once. A lookup that hangs keeps its thread, whoever stops waiting for it; with only a
handful of threads the providers whose names are fine could not be found either."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Host:
    application: Application
    front: OpenAIFront
    address: str


def serve(settings: Settings) -> None:
    """Serve until a signal ends it. Returns after a clean end.

    Raises:
        ConfigurationError: The instance cannot start; nothing was left behind.
    """
    asyncio.run(_serve(settings))


@asynccontextmanager
async def hosted(settings: Settings) -> AsyncGenerator[str, None]:
    """An instance that serves as long as the context lives; gives its address. Port 0 is a free one."""
    async with _hosting(settings) as host:
        yield host.address


async def _serve(settings: Settings) -> None:
    signals = _Signals()
    with signals:
        async with _hosting(settings) as host:
            _spare_the_collector()
            _log.info("Yaoki is ready: open %s in a browser. Ctrl-C ends it.", host.address)
            await signals.first.wait()
            await _drain(host, settings.limits.drain_s, signals.second)


def _spare_the_collector() -> None:
    """What is loaded by now lives as long as the process, so no collection looks at it again: 8 % of an answer's cost.

    Answers leave little behind that only a collection can free, and the fewer of those the better, within reason: the
    youngest generation may have 10,000 objects, about two megabytes, instead of Python's 700.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def _drain(host: _Host, drain_s: float, hurry: asyncio.Event) -> None:
    host.application.orchestrator.draining = True
    running = host.application.runner.running
    _log.info("Stopping: %d turns get %g s to end.", running, drain_s)
    draining = asyncio.gather(host.application.runner.drain(drain_s), host.front.quiet(drain_s))
    hurrying = asyncio.create_task(hurry.wait())
    await asyncio.wait({draining, hurrying}, return_when=asyncio.FIRST_COMPLETED)
    for task in (draining, hurrying):
        task.cancel()
    await asyncio.wait({draining, hurrying})
    left = host.application.runner.running
    if left:
        _log.warning("%d turns go on at the next start.", left)


@asynccontextmanager
async def _hosting(settings: Settings) -> AsyncGenerator[_Host, None]:
    descriptors = allow_descriptors(_policy(settings))
    if descriptors < settings.limits.max_streams:
        _log.info("The system lets this process open %d files: so many streams at most (ulimit -n).", descriptors)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="yaoki-lookup"))
    with _bound(settings.server) as listener:
        async with composed(settings) as application, _keys(application) as keys:
            app = create_app(
                application.orchestrator,
                _policy(settings),
                metrics=application.metrics.exposition,
                page_dir=Path(yaoki.api.__file__).parent / "web",
            )
            application.metrics.show(
                "yaoki_clients_connected", "Clients that hold a stream.", "channel", app.state.streams
            )
            front = OpenAIFront(
                app, application.chains, partial(_budget, settings), keys=keys, answers=application.answers
            )
            server = _Server(server_config(front, _policy(settings), host="", port=0, drain_s=_LINGER_S))
            host, port = listener.getsockname()[:2]
            address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
            await server.up.wait()
            if application.store.database.lock is not None:
                application.store.database.lock.note(address)
            try:
                yield _Host(application, front, address)
            finally:
                application.orchestrator.draining = True
                app.state.services.closing.set()
                server.should_exit = True
                await serving


@asynccontextmanager
async def _keys(application: Application) -> AsyncGenerator[ApiKeys, None]:
    """Who may ask at the base URL; what they have spent is written down in the end."""
    keys = ApiKeys(application.store.api_keys, required=application.settings.auth.v1 == "keys")
    for name, (text, counts) in keys.ledger.figures().items():
        application.metrics.show(name, text, "key", counts)
    async with keys.kept():
        yield keys


def _budget(settings: Settings, *, purse: Purse) -> TurnBudget:
    """What one answer of the base URL may spend: as much as a turn, and what its caller has left."""
    limits = settings.limits
    return TurnBudget(
        limits.turn_deadline_s,
        limits.turn_attempts,
        max_tokens=limits.turn_tokens or None,
        max_cost_usd=limits.turn_usd or None,
        purse=purse,
    )


def _policy(settings: Settings) -> ApiPolicy:
    limits = settings.limits
    return ApiPolicy(
        body_bytes=limits.body_bytes,
        v1_body_bytes=limits.v1_body_bytes,
        large_bytes=limits.v1_large_bytes,
        message_chars=limits.message_chars,
        heartbeat_s=limits.heartbeat_s,
        send_timeout_s=limits.send_timeout_s,
        max_streams=limits.max_streams,
        max_streams_per_owner=limits.max_streams_per_owner,
        max_requests=limits.max_requests,
    )


@contextlib.contextmanager
def _bound(server: ServerSettings) -> Generator[socket.socket]:
    """A socket that listens where the settings say.

    Raises:
        ConfigurationSettingError: The port is taken, or not ours to take.
    """
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with Listener(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((server.host, server.port))
        except OSError as error:
            raise ConfigurationSettingError(
                f"Cannot listen on {server.url}: {error.strerror}. Stop what uses the port, or set another one in "
                "server.port (YAOKI_SERVER__PORT).",
                key="server.port",
            ) from error
        yield listener


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, saying when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class _Signals:
    """The first and the second signal to stop, as events."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._arrived)
        return self

    def __exit__(self, *_exc: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    def _arrived(self) -> None:
        (self.second if self.first.is_set() else self.first).set()
