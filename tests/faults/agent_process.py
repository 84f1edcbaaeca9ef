"""A process that runs one turn of an agent with a Python tool, or of one whose answer must parse: to be killed.

`python -m tests.faults.agent_process FOLDER AGENT URL…` sends its one message, which is the same turn at every start,
and ends with the turn. The tool writes a line to FOLDER/charged, and does not return while FOLDER/hold exists.
"""

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel
from pydantic_ai import NativeOutput, Tool

from tests.unit.turns.instance import OWNER, Instance
from yaoki.store.events import TurnEnded

MESSAGE_ID = "m-1"


class Log(BaseModel):
    """What an answer must parse as."""

    ships: int
    names: list[str]


def agent(name: str, folder: Path) -> dict[str, Any]:
    async def charge(amount: int, currency: str) -> str:
        with (folder / "charged").open("a") as ledger:
            ledger.write(f"{amount} {currency}\n")
        while (folder / "hold").exists():
            await asyncio.sleep(0.02)
        return "done"

    return {"charging": {"tools": [Tool(charge)]}, "parsing": {"output_type": NativeOutput(Log)}}[name]


async def main(folder: Path, name: str, urls: list[str]) -> None:
    providers: Any = [SimpleNamespace(base_url=url) for url in urls]
    instance = await Instance.start(folder / "yaoki.db", providers, **agent(name, folder))
    known = await instance.orchestrator.sessions(OWNER)
    session = known[0] if known else await instance.session()
    await instance.orchestrator.send(OWNER, session.id, "Charge me.", message_id=MESSAGE_ID)
    await instance.events(session, until=TurnEnded)
    await instance.aclose()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
