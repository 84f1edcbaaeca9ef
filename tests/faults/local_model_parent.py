"""A process that runs an embedded model, to be ended by a test. Prints the model's pid, and then only waits.

ready    says so once the model answers
spawned  says so at once, while the model still loads
forked   as ready, after forking a process that keeps every descriptor open
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable

from tests.faults.local_models import PATIENT_S, policy
from yaoki.llm.local import LocalModel


async def main(mode: str) -> None:
    model = LocalModel("smol", policy())
    await model.start()
    if mode == "spawned":
        await _until(lambda: model.pid is not None)
    else:
        await model.wait_ready(PATIENT_S)
    heir = _fork_an_heir() if mode == "forked" else 0
    print(model.pid, heir, flush=True)
    await asyncio.Event().wait()


def _fork_an_heir() -> int:
    """A process that keeps what this one has open, as some libraries' workers do."""
    heir = os.fork()
    if heir == 0:
        os.close(1)
        os.close(2)
        signal.pause()
    return heir


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENT_S):
        while not condition():
            await asyncio.sleep(0.001)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
