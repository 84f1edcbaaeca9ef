"""The gateways, each as a process before the same provider, with what it takes to start and to hold them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil

from bench.survival.environments import PORTKEY, portkey_start, python_with
from bench.survival.processes import ROOT, until_open
from tests.ports import free_port
from yaoki.resilience.clock import SYSTEM_CLOCK

LITELLM = "litellm[proxy]==1.108.7"
MODELS = ("bench-once", "bench-paced")
_LITELLM_SETTINGS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it looks for the network
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # its keys want a database server
    "LITELLM_LOG": "ERROR",
}
_END_S = 10.0
_KNOWN_S = 30.0
_PARTS = "bench.gateway.parts"
_Command = Callable[[int], Sequence[str | Path]]


@dataclass(slots=True)
class Subject:
    """A process that answers at an address.

    Attributes:
        headers: What a client sends it.
        start_s: Seconds from its spawn until it took connections.
        idle_mb: Memory (PSS) before its first answer, in megabytes.
        versions: What it is, in which version.
    """

    name: str
    url: str
    process: psutil.Process
    start_s: float
    idle_mb: float = 0.0
    versions: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"authorization": "Bearer sk-bench"})

    def __post_init__(self) -> None:
        self.idle_mb = self.memory_mb()

    def cpu_s(self) -> float:
        """Processor seconds so far, of all its processes: the scheduler's own count, which knows nanoseconds."""
        return sum(_run_ns(one.pid) for one in self._processes()) / 1e9

    def memory_mb(self) -> float:
        """What it has for itself, and its part of what it shares."""
        return sum(one.memory_full_info().pss for one in self._processes()) / 1e6

    def _processes(self) -> Iterator[psutil.Process]:
        yield self.process
        yield from self.process.children(recursive=True)


@contextmanager
def provider() -> Iterator[Subject]:
    """The provider that all of them ask."""
    with _running("the provider itself", lambda port: [sys.executable, "-m", _PARTS, "provider", str(port)]) as subject:
        yield subject


@contextmanager
def raw(asked: Subject) -> Iterator[Subject]:
    """The least that a proxy can be."""
    with _running("raw proxy", lambda port: [sys.executable, "-m", _PARTS, "raw", str(port), asked.url]) as subject:
        yield subject


@contextmanager
def yaoki(asked: Subject) -> Iterator[Subject]:
    """Yaoki with everything that it always has, and a key with every limit that a key can have."""
    binary = str(Path(sys.executable).parent / "yaoki")
    with TemporaryDirectory(prefix="yaoki-bench-") as folder:
        settings = Path(folder) / "yaoki.toml"

        def command(port: int) -> Sequence[str]:
            settings.write_text(_settings(port, folder, asked.url))
            return [binary, "--config", str(settings), "serve"]

        with _running("Yaoki", command) as subject:
            limits = ("--requests-per-minute", "1000000", "--tokens-per-day", "1000000000", "--usd-per-day", "1000000")
            made = subprocess.run(
                [binary, "keys", "create", "bench", *limits, "--config", str(settings)],
                check=True,
                capture_output=True,
                text=True,
            )
            key = next(word for word in made.stdout.split() if word.startswith("yk"))
            subject.headers = {"authorization": f"Bearer {key}"}
            _until_known(subject)
            yield subject


@contextmanager
def portkey(asked: Subject) -> Iterator[Subject]:
    """Portkey's gateway, which is told with each request whom to ask."""
    with _running("Portkey", portkey_start, PORTKEY) as subject:
        config = {"provider": "openai", "api_key": "k", "custom_host": asked.url}
        subject.headers = {"x-portkey-config": json.dumps(config)}
        yield subject


@contextmanager
def litellm(asked: Subject) -> Iterator[Subject]:
    """LiteLLM's proxy with one worker, and nothing switched on: no keys, no database, no log of its own."""
    binary = python_with("litellm-proxy", [LITELLM]).parent / "litellm"
    with TemporaryDirectory(prefix="yaoki-bench-") as folder:
        config = Path(folder) / "litellm.yaml"
        models = [
            {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_base": asked.url, "api_key": "k"}}
            for name in MODELS
        ]
        config.write_text(json.dumps({"model_list": models}))  # JSON is YAML

        def command(port: int) -> Sequence[str]:
            return [str(binary), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]

        with _running("LiteLLM proxy", command, LITELLM.rpartition("==")[2], **_LITELLM_SETTINGS) as subject:
            yield subject


GATEWAYS = {"raw": raw, "yaoki": yaoki, "portkey": portkey, "litellm": litellm}


@contextmanager
def _running(name: str, command: _Command, version: str = "", **surroundings: str) -> Iterator[Subject]:
    port = free_port()
    began = SYSTEM_CLOCK.monotonic()
    with subprocess.Popen(
        command(port),
        cwd=ROOT,
        env={**os.environ, **surroundings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            until_open(port, process)
            start_s = SYSTEM_CLOCK.monotonic() - began
            url = f"http://127.0.0.1:{port}/v1"
            yield Subject(name, url, psutil.Process(process.pid), start_s, versions=version)
        finally:
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _until_known(subject: Subject) -> None:
    """Wait for a running server to see its new key, which it does within a second."""
    asking = Request(f"{subject.url}/models", headers=subject.headers)  # noqa: S310 - our own server
    deadline = SYSTEM_CLOCK.monotonic() + _KNOWN_S
    while True:
        try:
            urlopen(asking).close()  # noqa: S310
        except HTTPError as refusal:
            refusal.close()
            if SYSTEM_CLOCK.monotonic() > deadline:
                raise
        else:
            return


def _run_ns(pid: int) -> int:
    """Nanoseconds that the threads of a process have run."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def _settings(port: int, folder: str, url: str) -> str:
    tables = "".join(
        f'[models.{name}]\nprovider = "openai"\nmodel = "{name}"\nbase_url = "{url}"\ncontinuation = "prefill"\n{rest}'
        for name, rest in zip(MODELS, ("", f'fallbacks = ["{MODELS[0]}"]\n'), strict=True)
    )
    return (
        f'[server]\nport = {port}\n[store]\nurl = "sqlite:///{folder}/yaoki.db"\n[auth]\nv1 = "keys"\n{tables}'
        f'[agents.default]\nmodel = "{MODELS[1]}"\n'
    )
