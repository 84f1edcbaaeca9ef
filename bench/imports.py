"""What an import costs, beside asyncio's, which every user of Yaoki pays anyway."""

import statistics
import subprocess
import sys
from collections.abc import Iterator

from bench.figures import Figure

ROUNDS = 9
PROGRAM = "import sys, time; began = time.process_time(); {statement}; print(time.process_time() - began)"


def figures() -> Iterator[Figure]:
    asyncio_us = _import_us("import asyncio")
    for statement, limit in (("import yaoki", 0.1), ("import asyncio; from yaoki import handle_ai_errors", 1.75)):
        yield Figure(
            name=statement,
            cost_us=_import_us(statement),
            reference="import asyncio",
            reference_us=asyncio_us,
            limit=limit,
        )


def _import_us(statement: str) -> float:
    command = [sys.executable, "-c", PROGRAM.format(statement=statement)]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(ROUNDS)]
    return statistics.median(float(run.stdout) for run in runs) * 1e6
