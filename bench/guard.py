"""What the guard costs over a bare call, beside `asyncio.timeout`, which guards less.

`make bench` gates our own figures. `python -m bench.guard` also measures the peers, in one process with us, in an
environment that it makes for them once; it prints the table as markdown, and as JSON with `--json`.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import Figure, cost_over
from bench.subjects import OURS, asyncio_timeout
from yaoki.resilience import CircuitBreaker

ROOT = Path(__file__).parents[1]
PEERS = (
    "aiobreaker==1.2.0",
    "circuitbreaker==2.1.3",
    "hyx==0.0.2",
    "purgatory==3.0.1",
    "pyresilience==0.4.1",
    "stamina==26.1.0",
    "tenacity==9.2.1",
)
LIMITS = {
    "yaoki guard: bulkhead + breaker + retry + timeout": 0.6,
    "yaoki handle_ai_errors: the same + recovery + fallback": 0.6,
    "yaoki breaker": 0.15,
    "yaoki fallback": 0.3,
}
IMPORT_LIMIT = 0.3
IMPORT_ROUNDS = 11
IMPORT = (
    "import time; began = time.process_time(); import asyncio; between = time.process_time(); "
    "from yaoki.recovery import handle_ai_errors; ended = time.process_time(); print(between - began, ended - between)"
)
BREAKERS = 10_000


async def quick() -> None:
    """Returns at once."""


async def suspending() -> None:
    """Gives way once, as a call over a socket does."""
    await asyncio.sleep(0)


def figures() -> Iterator[Figure]:
    """Ours, with their limits."""
    for how, callee in (("", quick), (", callee suspends", suspending)):
        dressed = [OURS[name](callee) for name in LIMITS]
        reference_us, *costs_us = cost_over(callee, asyncio_timeout(callee), *dressed)
        for (name, limit), cost_us in zip(LIMITS.items(), costs_us, strict=True):
            yield Figure(
                name=name + how, cost_us=cost_us, reference="asyncio.timeout", reference_us=reference_us, limit=limit
            )
    asyncio_us, ours_us = import_us()
    yield Figure(
        name="from yaoki.recovery import handle_ai_errors, once asyncio is loaded",
        cost_us=ours_us,
        reference="import asyncio",
        reference_us=asyncio_us,
        limit=IMPORT_LIMIT,
    )


def import_us() -> tuple[float, float]:
    """Microseconds of processor time for asyncio, and for us after it, from compiled files."""
    with tempfile.TemporaryDirectory() as cache:
        surroundings = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        surroundings |= {"PYTHONPYCACHEPREFIX": cache, "PYTHONPATH": str(ROOT / "src")}
        command = [sys.executable, "-c", IMPORT]
        runs = [
            subprocess.run(command, check=True, capture_output=True, text=True, env=surroundings).stdout.split()
            for _ in range(IMPORT_ROUNDS + 1)
        ][1:]  # the first one compiles
    first, second = (statistics.median(float(run[at]) for run in runs) * 1e6 for at in (0, 1))
    return first, second


def bytes_per_breaker() -> float:
    """What one closed breaker takes, its name aside."""
    names = [f"dependency {number}" for number in range(BREAKERS)]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    breakers = [CircuitBreaker(name) for name in names]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / len(breakers)


def peers_python() -> Path:
    """The interpreter of the peers' own environment, made at the first use."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "yaoki" / "bench-peers"
    python = home / "bin" / "python"
    stamp = home / "installed.json"
    if not stamp.exists() or json.loads(stamp.read_text()) != list(PEERS):
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS], check=True)
        stamp.write_text(json.dumps(PEERS))
    return python


def measure_all() -> dict[str, Any]:
    """Everything, peers too: one process, one reference."""
    surroundings = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [str(peers_python()), "-m", "bench.peers"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=surroundings)
    asyncio_us, ours_us = import_us()
    return {
        **json.loads(done.stdout),
        "import_ratio": ours_us / asyncio_us,
        "bytes_per_breaker": bytes_per_breaker(),
        "python": sys.version.split()[0],
    }


def markdown(measured: dict[str, Any]) -> Iterator[str]:
    """The table, and below it what does not fit into it."""
    table = measured["us"]
    reference = {how: costs["asyncio.timeout"] for how, costs in table.items()}
    yield "| guard | µs over the bare call | × asyncio.timeout | callee suspends: µs | × asyncio.timeout |"
    yield "|---|---|---|---|---|"
    for name in sorted(table["quick"], key=table["quick"].get):
        cells = [f"{table[how][name]:.2f} | {table[how][name] / reference[how]:.2f}" for how in ("quick", "suspending")]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield f"Import once asyncio is loaded: {measured['import_ratio']:.2f} × `import asyncio`. "
    yield f"A closed breaker: {measured['bytes_per_breaker']:.0f} bytes. Python {measured['python']}; "
    yield f"peers: {', '.join(f'{name} {version}' for name, version in measured['versions'].items())}."


def main() -> None:
    measured = measure_all()
    if "--json" in sys.argv:
        print(json.dumps(measured, indent=2))
    else:
        print("\n".join(markdown(measured)))


if __name__ == "__main__":
    main()
