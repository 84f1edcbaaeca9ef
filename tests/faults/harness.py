"""A stage for faults: `yaoki serve` as a real process, scripted providers behind it, a page in front of it.

async with Stage(tmp_path, Script(fault="cut_mid_stream"), Script()) as stage:
    page = await stage.ask("How many ships?")
    await page.until_ended()
    page.assert_whole(ANSWER)
"""

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import psutil

from tests.faults.page import Page
from tests.ports import free_port
from yaoki.faults import Script, ScriptedProvider
from yaoki.resilience.clock import SYSTEM_CLOCK

FIRST_TOKEN_S = 0.8
IDLE_S = 0.6
FAILOVER_S = 2.0
READY_S = 60.0
RESUMED_S = 10.0
SETTLING_S = 10.0
_POLL_S = 0.02
_LIMITS = {"heartbeat_s": 0.5, "turn_deadline_s": 30.0, "drain_s": 3.0}
Limits = dict[str, float]
NO_LIMITS: Limits = {}
_YAOKI = Path(sys.executable).parent / "yaoki"


class Server:
    """`yaoki serve` on a data folder of its own; its address stays the same over restarts.

    Args:
        folder: Holds settings, database and log.
        models: Base URLs in order of preference; without any, `extra` brings models and agents.
        extra: More TOML.
        limits: Of its section [limits], beside or instead of those that tests want.
        database: Another place for it.
    """

    def __init__(
        self,
        folder: Path,
        models: list[str],
        extra: str = "",
        *,
        limits: Limits = NO_LIMITS,
        database: Path | None = None,
    ) -> None:
        self.folder = folder
        self.database = database or folder / "yaoki.db"
        self.log_file = folder / "server.log"
        self._settings = folder / "yaoki.toml"
        self._process: asyncio.subprocess.Process | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings.write_text(_toml(self.port, self.database, models, limits) + extra)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.pid)

    async def start(self) -> None:
        """Spawn it, and wait until it says that it is ready."""
        await self.spawn()
        await self.until_ready()

    async def spawn(self, *, settings: Path | None = None) -> None:
        """Only spawn it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("YAOKI_")}
        with self.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                _YAOKI,
                "--config",
                settings or self._settings,
                "serve",
                env={**kept, "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder)},
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def until_ready(self) -> None:
        """Wait for 200 from /readyz."""
        async with asyncio.timeout(READY_S), httpx2.AsyncClient(trust_env=False) as http:
            while True:
                assert self._process is not None
                assert self._process.returncode is None, self.log
                try:
                    if (await http.get(f"{self.url}/readyz")).status_code == 200:
                        return
                except httpx2.TransportError:
                    pass  # it does not listen yet
                await asyncio.sleep(_POLL_S)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process alone."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self, within_s: float = 20.0) -> int:
        """Wait for its end; returns its exit status."""
        assert self._process is not None
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            if self.alive:
                self._process.kill()
            await self._process.wait()

    async def restart(self) -> float:
        """kill -9, and start again on the same data folder; returns the seconds from the start until it was ready."""
        await self.kill()
        began = SYSTEM_CLOCK.monotonic()
        await self.start()
        return SYSTEM_CLOCK.monotonic() - began


class Stage:
    """Providers, server and HTTP client, started together.

    Args:
        folder: For the server's files.
        scripts: One per provider, the preferred one first.
        extra: More TOML for the server.
        limits: Of the server's section [limits]; see `Server`.
    """

    def __init__(self, folder: Path, *scripts: Script, extra: str = "", limits: Limits = NO_LIMITS) -> None:
        self.providers = [ScriptedProvider(script) for script in scripts]
        self._folder = folder
        self._extra = extra
        self._limits = limits
        self._pages: list[Page] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for provider in self.providers:
            await self._stack.enter_async_context(provider)
        urls = [provider.base_url for provider in self.providers]
        self.server = Server(self._folder, urls, self._extra, limits=self._limits)
        self._stack.push_async_callback(self.server.kill)
        try:
            await self.server.start()
        except BaseException:
            await self._stack.aclose()  # a context that is not entered is not left either
            raise
        self.http = await self._stack.enter_async_context(
            httpx2.AsyncClient(base_url=self.server.url, trust_env=False, timeout=15.0)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.server.log[-8_000:])
        await self.cut_pages()
        await self._stack.aclose()

    @property
    def first(self) -> ScriptedProvider:
        return self.providers[0]

    async def play(self, *scripts: Script) -> None:
        """New scripts for the providers, in order; what they have seen so far is forgotten."""
        for provider, script in zip(self.providers, scripts, strict=True):
            provider.requests.clear()
            provider.fired.clear()
            await provider.play(script)

    async def session(self) -> str:
        """A new session's id."""
        answer = await self.http.post("/ai/sessions", json={"session_type": "chat"})
        assert answer.status_code == 201, answer.text
        return answer.json()["session_id"]

    async def send(self, session: str, content: str, **more: Any) -> httpx2.Response:
        """Send a message; the answer may be of any status."""
        return await self.http.post(f"/ai/sessions/{session}/messages", json={"content": content, **more})

    async def page(self, session: str) -> Page:
        """A page that follows a session from its beginning."""
        return await self._opened(Page(self.server.url, session))

    async def ask(self, content: str = "How many ships?") -> Page:
        """A message in a new session, accepted, and a page that follows it."""
        session = await self.session()
        page = await self.page(session)
        accepted = await self.send(session, content)
        assert accepted.status_code == 202, accepted.text
        page.turn = accepted.json()["turn_id"]
        return page

    async def page_from(self, session: str, last_id: str) -> Page:
        """A page that comes with an id of its own."""
        return await self._opened(Page(self.server.url, session, last_id=last_id))

    async def cut_pages(self) -> None:
        """Close every page."""
        for page in self._pages:
            await page.cut()
        self._pages.clear()

    async def _opened(self, page: Page) -> Page:
        self._pages.append(page)
        await page.connect()
        return page

    def sibling(self) -> Server:
        """Another server on the same database; not started."""
        folder = self._folder / "sibling"
        folder.mkdir()
        other = Server(folder, [provider.base_url for provider in self.providers], database=self.server.database)
        self._stack.push_async_callback(other.kill)
        return other

    def settling(self) -> asyncio.Timeout:
        """Bounds a wait for something that can only be looked at."""
        return asyncio.timeout(SETTLING_S)

    async def tick(self) -> None:
        """Between two looks."""
        await asyncio.sleep(_POLL_S)

    async def history(self, session: str) -> dict[str, Any]:
        """What the server says was said."""
        answer = await self.http.get(f"/ai/sessions/{session}/history")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def cancel(self, session: str) -> None:
        """Ask for everything in a session to stop."""
        answer = await self.http.post(f"/ai/sessions/{session}/cancel")
        assert answer.status_code == 202, answer.text

    @property
    def failover_s(self) -> float:
        """Seconds from the first provider's fault to the request that reached the second one."""
        fired_at = self.first.asked[0].fired_at
        assert fired_at is not None
        return self.providers[1].asked[0].at - fired_at


def _toml(port: int, database: Path, models: list[str], limits: Limits) -> str:
    names = [f"m{number}" for number in range(len(models))]
    tables = [
        f'[models.{name}]\nprovider = "openai"\nmodel = "{name}"\nbase_url = "{url}"\n'
        f"first_token_timeout_s = {FIRST_TOKEN_S}\nidle_timeout_s = {IDLE_S}\nmove_back_s = 0\n"
        f"fallbacks = {names[number + 1 : number + 2]}\n[breakers.{name}]\nthreshold = 10000\n"
        for number, (name, url) in enumerate(zip(names, models, strict=True))
    ]
    return "\n".join(
        [
            f'[server]\nport = {port}\n[store]\nurl = "sqlite:///{database}"',
            "[limits]",
            *(f"{name} = {value}" for name, value in (_LIMITS | limits).items()),
            *tables,
            *(f'[agents.default]\nmodel = "{name}"\ninstructions = "Count ships."\n' for name in names[:1]),
            "",
        ]
    )
