"""What the server itself takes, as a real process over scripted providers: first sign of life, memory, start.

Everything runs from compiled files, as `make run` leaves them: what is not compiled yet is compiled first.
"""

import asyncio
import compileall
import statistics
import subprocess
import sys
import sysconfig
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import httpx2
import psutil

from bench.figures import Bound
from tests.faults.harness import Stage
from tests.faults.page import Page
from yaoki.faults import Script
from yaoki.resilience.clock import SYSTEM_CLOCK

ROOT = Path(__file__).parents[1]
TURNS = 120
MEMORY_TURNS = 50
STARTS = 5
P50_MS, P95_MS = 20.0, 50.0
READY_S = 2.5
MEMORY_MB = 180.0
IMPORTS = "import fastapi, pydantic_ai, openai, sqlalchemy"
MEMORY = f"{IMPORTS}, psutil; print(psutil.Process().memory_full_info().pss)"
ECHO = "FastAPI, one fsync, an event stream"


def figures() -> Iterator[Bound]:
    compile_everything()
    with TemporaryDirectory(prefix="yaoki-bench-") as folder:
        yield from asyncio.run(_measured(Path(folder)))


def compile_everything() -> None:
    """As `make run` does: nothing that is measured afterwards compiles a file."""
    with redirect_stdout(StringIO()):  # templates among the packages are no Python
        for folder in (ROOT / "src" / "yaoki", sysconfig.get_path("purelib")):
            compileall.compile_dir(folder, quiet=2)


async def _measured(folder: Path) -> list[Bound]:
    async with Stage(folder, Script(answer="Seven ships.")) as stage, _echo(folder / "echo") as echo:
        starts, imports = await _starts(stage)
        process = stage.server.process
        before_mb = _pss_mb(process)
        waits = await _waits(stage.server.url, MEMORY_TURNS)
        after_mb = _pss_mb(process)
        waits += await _waits(stage.server.url, TURNS - MEMORY_TURNS)
        echoes = await _waits(echo, TURNS)
    imports_mb = float(_python(MEMORY)) / 1e6
    return [
        *_first_signs(waits, echoes),
        Bound(
            name=f"yaoki serve, from its spawn until /readyz says yes, median of {STARTS}",
            value=statistics.median(starts),
            unit="s",
            limit=READY_S,
            worst=max(starts),
            reference=f'python -c "{IMPORTS}"',
            reference_value=statistics.median(imports),
        ),
        *(
            Bound(
                name=f"memory without embedded models (PSS), {when}",
                value=value,
                unit="MB",
                limit=MEMORY_MB,
                reference="the same imports",
                reference_value=imports_mb,
            )
            for when, value in (("after the start", before_mb), (f"after {MEMORY_TURNS} turns", after_mb))
        ),
    ]


def _first_signs(waits: list[float], echoes: list[float]) -> Iterator[Bound]:
    for share, limit in ((50, P50_MS), (95, P95_MS)):
        yield Bound(
            name=f"RUN_STARTED after its message was sent, p{share} of {len(waits)}",
            value=_percentile(waits, share),
            unit="ms",
            limit=limit,
            worst=max(waits) if share > 50 else None,
            reference=ECHO,
            reference_value=_percentile(echoes, share),
        )


def _percentile(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


async def _waits(url: str, turns: int) -> list[float]:
    """Milliseconds from sending a message until its RUN_STARTED is there, on a stream opened before; one by one."""
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as http:
        session = (await http.post("/ai/sessions", json={"session_type": "chat"})).json()["session_id"]
        page = Page(url, session)
        await page.connect()
        sent: list[float] = []
        for _ in range(turns):
            sent.append(SYSTEM_CLOCK.monotonic())
            answer = await http.post(f"/ai/sessions/{session}/messages", json={"content": "How many ships?"})
            answer.raise_for_status()
            await page.until(lambda it: len(_at(it, "RUN_FINISHED")) == len(sent))
        await page.cut()
    return [(there - began) * 1e3 for there, began in zip(_at(page, "RUN_STARTED"), sent, strict=True)]


def _at(page: Page, kind: str) -> list[float]:
    return [frame.at for frame in page.frames if frame.type == kind]


async def _starts(stage: Stage) -> tuple[list[float], list[float]]:
    """Seconds of each start of the server, and of an interpreter that only imports; one after the other, in turn."""
    servers, imports = [], []
    for _ in range(STARTS):
        servers.append(await stage.server.restart())
        began = SYSTEM_CLOCK.monotonic()
        await asyncio.to_thread(_python, IMPORTS)
        imports.append(SYSTEM_CLOCK.monotonic() - began)
    return servers, imports


def _python(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _pss_mb(process: psutil.Process) -> float:
    """The process's share of memory: what only it has, and its part of what it shares with others."""
    return process.memory_full_info().pss / 1e6


@asynccontextmanager
async def _echo(file: Path) -> AsyncGenerator[str, None]:
    """The reference server's address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.echo", file, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield (await cast("asyncio.StreamReader", process.stdout).readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()
