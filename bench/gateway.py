"""What the base URL costs: processor time for each answer, and how much longer one client waits.

Beside it, in the same run and before the same provider: a raw ASGI + aiohttp proxy as the floor, and LiteLLM's proxy,
in an environment made for it once. `python -m bench.gateway` prints the table as markdown; `--no-peer` leaves LiteLLM
out. We ask every provider for a stream, since only a stream can be watched; the others pass on what the client asked.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import psutil

from bench.gateway_parts import WORDS
from yaoki.resilience.clock import SYSTEM_CLOCK

ROOT = Path(__file__).parents[1]
LITELLM = "litellm[proxy]==1.108.7"
ROUNDS = 3
CLIENTS = 8
START_S = 60.0
TEXT = "".join(WORDS)


@dataclass(frozen=True, slots=True)
class Load:
    """One way to ask."""

    name: str
    streamed: bool
    model: str
    requests: int


LOADS = (
    Load("not streamed, the provider's answer in one piece", False, "bench-once", 1_600),
    Load("not streamed, from a provider that sends 20 chunks", False, "bench-paced", 400),
    Load("streamed, 20 chunks", True, "bench-paced", 400),
)


@dataclass(slots=True)
class Subject:
    """A process that answers at an address."""

    name: str
    url: str
    process: psutil.Process

    def cpu_s(self) -> float:
        """Processor seconds so far, of all its processes."""
        return sum(_cpu_s(one) for one in (self.process, *self.process.children(recursive=True)))


async def measure(subjects: list[Subject]) -> dict[str, dict[str, tuple[float, float]]]:
    """Microseconds of processor time an answer, and milliseconds of one client alone (median), by load and subject."""
    table: dict[str, dict[str, tuple[float, float]]] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for load in LOADS:
            costs: dict[str, list[float]] = {subject.name: [] for subject in subjects}
            waits: dict[str, list[float]] = {subject.name: [] for subject in subjects}
            for turn in range(ROUNDS + 1):
                for subject in subjects:
                    cost, wait = await _round(session, subject, load)
                    if turn:  # the first round only warms
                        costs[subject.name].append(cost)
                        waits[subject.name].append(wait)
            table[load.name] = {
                name: (statistics.median(costs[name]), statistics.median(waits[name])) for name in costs
            }
    return table


async def _round(session: aiohttp.ClientSession, subject: Subject, load: Load) -> tuple[float, float]:
    count = load.requests if subject.name != "LiteLLM proxy" else load.requests // 10
    began = subject.cpu_s()
    await asyncio.gather(*(_client(session, subject, load, count // CLIENTS) for _ in range(CLIENTS)))
    cost_us = (subject.cpu_s() - began) / (count // CLIENTS * CLIENTS) * 1e6
    waits = await _client(session, subject, load, 20)
    return cost_us, statistics.median(waits) * 1e3


async def _client(session: aiohttp.ClientSession, subject: Subject, load: Load, count: int) -> list[float]:
    messages = [{"role": "user", "content": "How many ships?"}]
    body = json.dumps({"model": load.model, "messages": messages, "stream": load.streamed}).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer sk-bench"}
    waits: list[float] = []
    for _ in range(count):
        began = SYSTEM_CLOCK.monotonic()
        async with session.post(f"{subject.url}/chat/completions", data=body, headers=headers) as response:
            raw = await response.read()
        waits.append(SYSTEM_CLOCK.monotonic() - began)
        if response.status != 200 or _text(raw, streamed=load.streamed) != TEXT:
            raise RuntimeError(f"{subject.name} answered {response.status}: {raw[:500]!r}")
    return waits


def _text(raw: bytes, *, streamed: bool) -> str:
    if not streamed:
        return json.loads(raw)["choices"][0]["message"]["content"]
    lines = [line[6:] for line in raw.decode().split("\n") if line.startswith("data: ") and line != "data: [DONE]"]
    chunks = [json.loads(line) for line in lines]
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


# ------------------------------------------------------------------------------------------------------- the processes


@asynccontextmanager
async def subjects(folder: Path, *, peer: bool) -> AsyncIterator[list[Subject]]:
    """The provider alone, and the three before it."""
    port = _free_port()
    provider = f"http://127.0.0.1:{port}/v1"
    with running("provider", [sys.executable, "-m", "bench.gateway_parts", "provider", str(port)], port) as itself:
        raw_port, our_port = _free_port(), _free_port()
        settings = folder / "yaoki.toml"
        settings.write_text(_settings(our_port, folder, provider))
        yaoki = [str(Path(sys.executable).parent / "yaoki"), "--config", str(settings), "serve"]
        with (
            running(
                "raw proxy", [sys.executable, "-m", "bench.gateway_parts", "raw", str(raw_port), provider], raw_port
            ) as raw,
            running("Yaoki", yaoki, our_port) as ours,
        ):
            found = [itself, raw, ours]
            if not peer:
                yield found
                return
            with litellm(folder, provider) as other:
                yield [*found, other]


@contextmanager
def running(name: str, command: list[str], port: int, **surroundings: str) -> Any:
    """A process that is up once its port takes connections."""
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **surroundings}, **quiet) as process:
        try:
            _until_open(port, process)
            yield Subject(name, f"http://127.0.0.1:{port}/v1", psutil.Process(process.pid))
        finally:
            process.terminate()


@contextmanager
def litellm(folder: Path, provider: str) -> Any:
    """LiteLLM's proxy with one worker and nothing switched on."""
    port, config = _free_port(), folder / "litellm.yaml"
    models = [
        {
            "model_name": name,
            "litellm_params": {"model": f"openai/{name}", "api_base": provider, "api_key": "k"},
        }
        for name in ("bench-once", "bench-paced")
    ]
    config.write_text(json.dumps({"model_list": models}))  # JSON is YAML
    command = [
        str(peer_python().parent / "litellm"),
        "--config",
        str(config),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    surroundings = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it looks for the network
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # we have no keys either
        "LITELLM_LOG": "ERROR",
    }
    with running("LiteLLM proxy", command, port, **surroundings) as subject:
        yield subject


def peer_python() -> Path:
    """The interpreter of LiteLLM's own environment, made at the first use."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "yaoki" / "bench-litellm"
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, home], check=True)
        override = home / "override.txt"
        override.write_text("certifi>=2020\n")  # it may ask for a newer one than there is
        install = [uv, "pip", "install", "--quiet", "--python", python, "--override", override, LITELLM]
        subprocess.run(install, check=True)
        (home / "installed").touch()
    return python


def _settings(port: int, folder: Path, provider: str) -> str:
    tables = "".join(
        f'[models.{name}]\nprovider = "openai"\nmodel = "{name}"\nbase_url = "{provider}"\n'
        f'continuation = "prefill"\n{fallbacks}'
        for name, fallbacks in (
            ("bench-once", ""),
            ("bench-paced", 'fallbacks = ["bench-once"]\n'),
        )
    )
    return (
        f'[server]\nport = {port}\n[store]\nurl = "sqlite:///{folder}/yaoki.db"\n{tables}'
        '[agents.default]\nmodel = "bench-paced"\n'
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = SYSTEM_CLOCK.monotonic() + START_S
    while SYSTEM_CLOCK.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("it ended before it was up")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise TimeoutError("it did not come up")


def markdown(table: dict[str, dict[str, tuple[float, float]]]) -> str:
    """The table, each figure with its ratio to the raw proxy; waits without the provider's own."""
    rows = ["| load | subject | CPU | × raw | added wait | × raw |", "|---|---|---|---|---|---|"]
    for load, row in table.items():
        alone = row.pop("provider")[1]
        raw_us, raw_ms = row["raw proxy"][0], row["raw proxy"][1] - alone
        for name, (cost_us, wait_ms) in row.items():
            cost, added = f"{cost_us:,.0f} µs | {cost_us / raw_us:.2f}", wait_ms - alone
            rows.append(f"| {load} | {name} | {cost} | {added:.2f} ms | {added / raw_ms:.2f} |")
    return "\n".join(rows)


async def _main() -> None:
    with TemporaryDirectory(prefix="yaoki-bench-") as folder:
        async with subjects(Path(folder), peer="--no-peer" not in sys.argv) as found:
            print(markdown(await measure(found)))
    names = {"aiohttp": version("aiohttp"), "uvicorn": version("uvicorn"), "Python": sys.version.split()[0]}
    print(f"\n{LITELLM}, {', '.join(f'{name} {number}' for name, number in names.items())}, {os.cpu_count()} cores.")


if __name__ == "__main__":
    asyncio.run(_main())
