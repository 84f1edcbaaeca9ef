"""Each peer in an environment of its own, in pinned versions, made at its first use; and gateways as processes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.survival.asking import DEADLINE_S, MAX_TOKENS, TIMEOUT_S
from bench.survival.processes import running
from bench.survival.stage import Pair
from build_web import find_node
from tests.ports import free_port

LITELLM = ("litellm==1.109.3",)
AGENTS = ("openai-agents==0.24.0", "openai==3.57.0")
PORTKEY = "1.15.2"
_PORTKEY_PACKAGE = '{"private": true, "overrides": {"@hono/node-server": "1.14.1"}}'
"""With a newer server every answer of this gateway is a 500."""
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "yaoki"
_LOOPBACK = """\
const { Server } = require("net");
const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
  return listen.call(this, port, "127.0.0.1", ...rest.filter((one) => typeof one === "function"));
};
"""
"""The gateway listens on every address, and has no option for that."""


def python_with(name: str, packages: Iterable[str]) -> Path:
    """The interpreter of an environment that has these packages."""
    home, wanted = _CACHE / f"bench-{name}", list(packages)
    python, stamp = home / "bin" / "python", home / "installed.json"
    if not stamp.exists() or json.loads(stamp.read_text()) != wanted:
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, home], check=True)
        override = home / "override.txt"
        override.write_text("certifi>=2020\n")  # LiteLLM may ask for a newer one than there is
        install = [uv, "pip", "install", "--quiet", "--python", python, "--override", override, *wanted]
        subprocess.run(install, check=True)
        stamp.write_text(json.dumps(wanted))
    return python


@contextmanager
def yaoki(pairs: dict[str, Pair]) -> Iterator[str]:
    """`yaoki serve` with a chain for each pair; its base URL."""
    with TemporaryDirectory(prefix="yaoki-survival-") as folder:
        port, settings = free_port(), Path(folder) / "yaoki.toml"
        settings.write_text(_settings(port, folder, pairs))
        command = [str(Path(sys.executable).parent / "yaoki"), "--config", str(settings), "serve"]
        with running(command, port) as url:
            yield url


@contextmanager
def portkey(_pairs: dict[str, Pair]) -> Iterator[str]:
    """Portkey's gateway, which gets its targets with each request; its base URL."""
    port = free_port()
    with running(portkey_start(port), port) as url:
        yield url


def portkey_start(port: int) -> list[str]:
    """The command that starts Portkey's gateway."""
    node, folder = _portkey()
    start = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    return [str(node), "--require", str(folder / "loopback.cjs"), str(start), f"--port={port}", "--headless"]


def portkey_headers(pair: Pair) -> dict[str, str]:
    """What makes Portkey ask the faulty provider first, and then its fallback."""
    targets = [
        {"provider": "openai", "api_key": "k", "custom_host": provider.base_url}
        for provider in (pair.faulty, pair.healthy)
    ]
    config = {"strategy": {"mode": "fallback"}, "request_timeout": int(TIMEOUT_S * 1000), "targets": targets}
    return {"x-portkey-config": json.dumps(config)}


def _portkey() -> tuple[Path, Path]:
    tools = find_node()
    if tools is None:
        raise RuntimeError("Portkey's gateway needs node: make .venv/.dev brings it.")
    node, npm = tools
    folder = _CACHE / "bench-portkey-gateway"
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != PORTKEY + _PORTKEY_PACKAGE:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(_PORTKEY_PACKAGE)
        install = [node, npm, "install", "--ignore-scripts", "--silent", f"@portkey-ai/gateway@{PORTKEY}"]
        subprocess.run(install, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (folder / "loopback.cjs").write_text(_LOOPBACK)
        stamp.write_text(PORTKEY + _PORTKEY_PACKAGE)
    return Path(node), folder


def _settings(port: int, folder: str, pairs: dict[str, Pair]) -> str:
    limits = f"first_token_timeout_s = {TIMEOUT_S}\nidle_timeout_s = {TIMEOUT_S}\nmax_output_tokens = {MAX_TOKENS}\n"
    tables = "".join(
        f'[models."{name}"]\nprovider = "openai"\nmodel = "first"\nbase_url = "{pair.faulty.base_url}"\n'
        f'fallbacks = ["{name}-next"]\n{limits}'
        f'[models."{name}-next"]\nprovider = "openai"\nmodel = "next"\nbase_url = "{pair.healthy.base_url}"\n{limits}'
        for name, pair in pairs.items()
    )
    return (
        f'[server]\nport = {port}\n[store]\nurl = "sqlite:///{folder}/yaoki.db"\n'
        f"[limits]\nturn_deadline_s = {DEADLINE_S}\n[cache]\nmax_entries = 0\n{tables}"
        f'[agents.default]\nmodel = "{next(iter(pairs))}"\n'
    )
