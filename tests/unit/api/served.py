"""The real application over a real store on loopback, where the test itself plays the runner.

Nothing claims a turn but the test, so every event is written exactly when the test says so.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2
import uvicorn
from fastapi import FastAPI
from sqlalchemy import update

from yaoki.api import ApiPolicy, create_app, server_config
from yaoki.orchestrator import Orchestrator
from yaoki.store.contract import Turn
from yaoki.store.events import DomainEvent, Stored, TextDelta, TurnEnded, TurnStarted
from yaoki.store.schema import events
from yaoki.store.store import Store, open_store
from yaoki.turns.local_runner import LocalRunner

OWNER = "local"
WAIT_S = 25.0
_TURNS = 10
"""Turns of the event loop in which a server hears that a client has left."""
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Received:
    """One server-sent event; `id` is None where the frame has none."""

    id: str | None
    body: Body


class Stream:
    """An open event stream, read frame by frame.

    To be closed: a collector would close the generators behind it in any order, from several tasks at once.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._blocks = _blocks(response)

    async def aclose(self) -> None:
        """Stop reading, wherever it is."""
        await self._blocks.aclose()

    async def block(self) -> str | None:
        """The next block as it is on the wire; None at the end."""
        async with asyncio.timeout(WAIT_S):
            return await anext(self._blocks, None)

    async def next(self) -> Received | None:
        """The next frame that is no heartbeat; None at the end."""
        while (block := await self.block()) is not None:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            body = json.loads(fields["data"]) if "data" in fields else None
            if body and body.get("name") != "yaoki.heartbeat":
                return Received(fields.get("id"), body)
        return None

    async def take(self, count: int) -> list[Received]:
        """The next `count` frames."""
        taken = [await self.next() for _ in range(count)]
        assert None not in taken, f"the stream ended: {taken}"
        return [received for received in taken if received]

    async def rest(self) -> list[Received]:
        """Every frame up to the end of the stream."""
        taken: list[Received] = []
        while (received := await self.next()) is not None:
            taken.append(received)
        return taken


async def _blocks(response: httpx2.Response) -> AsyncGenerator[str]:
    unread = b""
    async with aclosing(response.aiter_bytes()) as pieces:
        async for piece in pieces:
            *blocks, unread = (unread + piece).split(b"\n\n")
            for block in blocks:
                yield block.decode()
    assert not unread, f"the stream ended inside an event: {unread!r}"


@dataclass
class Served:
    """The application at an address."""

    store: Store
    orchestrator: Orchestrator
    app: FastAPI
    port: int
    client: httpx2.AsyncClient

    @classmethod
    @asynccontextmanager
    async def at(cls, path: Path, policy: ApiPolicy, *, page_dir: Path | None = None) -> AsyncIterator[Self]:
        store = await open_store(path)
        runner = LocalRunner(store, _never, max_running=0)
        orchestrator = Orchestrator(store, runner, ("default", "other"))
        app = create_app(orchestrator, policy, metrics=lambda: (b"up 1\n", "text/plain; version=1"), page_dir=page_dir)
        try:
            async with serving(app, policy) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                yield cls(store, orchestrator, app, port, client)
        finally:
            await runner.aclose()
            await store.aclose()

    async def session(self) -> str:
        return (await self.orchestrator.create_session(OWNER)).id

    async def begin(self, session_id: str, content: str = "hello", **kwargs: str) -> Turn:
        """Send a message and claim its turn, as a runner would; it has started."""
        await self.orchestrator.send(OWNER, session_id, content, **kwargs)
        return await self.claim(session_id)

    async def claim(self, session_id: str) -> Turn:
        turn = await self.store.turns.claim(session_id)
        assert turn is not None
        await self.write(turn, TurnStarted(turn=turn.id, agent=turn.agent))
        return turn

    async def write(self, turn: Turn, *new: DomainEvent) -> list[Stored]:
        return await self.store.turns.append(turn, new)

    async def say(self, turn: Turn, *texts: str, model: str = "one") -> None:
        for text in texts:
            await self.write(turn, TextDelta(turn=turn.id, message=f"m-{turn.id}", text=text, model=model))

    async def end(self, turn: Turn) -> None:
        await self.write(turn, TurnEnded(turn=turn.id, outcome="completed", usage={"output_tokens": 3}))

    async def answer(self, session_id: str, content: str, *texts: str) -> Turn:
        """A whole turn."""
        turn = await self.begin(session_id, content)
        await self.say(turn, *texts)
        await self.end(turn)
        return turn

    @asynccontextmanager
    async def follow(self, session_id: str, **headers: str) -> AsyncIterator[Stream]:
        path = f"/ai/sessions/{session_id}/events"
        async with self.client.stream("GET", path, headers=headers, timeout=WAIT_S) as response:
            assert response.status_code == 200, await response.aread()
            async with aclosing(Stream(response)) as stream:
                yield stream

    async def damage(self, session_id: str, seq: int) -> None:
        """Spoil a record, as a decaying disk would."""
        change = update(events).where(events.c.session_id == session_id, events.c.seq == seq).values(payload="{}")
        await self.store.database.write(lambda connection: connection.execute(change))

    async def until(self, condition: Any) -> None:
        """Wait until something that the server does on its own has happened."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await asyncio.sleep(0.005)


def _never(turn: Turn) -> Any:
    raise AssertionError(f"The test runs the turns, not the runner: {turn}")


class _Server(uvicorn.Server):
    """uvicorn inside a test: no signals, a word when it is up, and no rounded pauses when nobody is connected."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self.exiting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.exiting.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for _ in range(_TURNS):  # for clients that have just left
            await asyncio.sleep(0)
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
            await server.wait_closed()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: FastAPI, policy: ApiPolicy) -> AsyncIterator[int]:
    """Serve an application; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Server(server_config(app, policy, host="", port=0, drain_s=2.0))
        task = asyncio.create_task(server.serve([listener]))
        await server.up.wait()
        try:
            yield listener.getsockname()[1]
        finally:
            app.state.closing.set()
            server.exiting.set()
            await task
