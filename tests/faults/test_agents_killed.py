"""`kill -9` in a tool call, while the tool runs, after it, and in JSON output: nothing runs twice or by half."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.agent_process import Log
from tests.unit.turns.instance import OWNER, end_of, text_of
from yaoki.faults import ANSWER, Script, ScriptedProvider
from yaoki.faults.script import Behaviour
from yaoki.store.events import DomainEvent, RecoveryTaken, Reset, TurnResumed
from yaoki.store.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

FALLBACKS: list[Behaviour] = ["honour", "refuse", "ignore", "talk_over"]
ARGUMENTS = {"amount": 12, "currency": "EUR"}
LOG = Log(ships=7, names=["Pamir", "Passat", "Peking", "Padua", "Priwall", "Pommern", "Potosi"])
JSON = json.dumps(LOG.model_dump())
WITHIN_S = 40.0


class Runs:
    """The starts of one agent's process on one folder."""

    def __init__(self, folder: Path, agent: str, *providers: ScriptedProvider) -> None:
        self.folder = folder
        self._command = [sys.executable, "-m", "tests.faults.agent_process", str(folder), agent]
        self._command += [provider.base_url for provider in providers]

    @property
    def charged(self) -> list[str]:
        ledger = self.folder / "charged"
        return ledger.read_text().splitlines() if ledger.exists() else []

    async def killed_when(self, true: Callable[[], bool]) -> None:
        """Start it, and kill it as soon as `true`."""
        async with self._process() as process, asyncio.timeout(WITHIN_S):
            while not true():
                assert process.returncode is None
                await asyncio.sleep(0.01)

    async def to_the_end(self) -> list[DomainEvent]:
        """Start it, and let it end; returns all that its session's log holds."""
        async with self._process() as process, asyncio.timeout(WITHIN_S):
            assert await process.wait() == 0
        store = await open_store(self.folder / "yaoki.db")
        [session] = await store.sessions.newest(OWNER, 2)
        events = [stored.event for stored in await store.log.read(session.id)]
        await store.aclose()
        return events

    @asynccontextmanager
    async def _process(self) -> AsyncGenerator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(*self._command, cwd=Path(__file__).parents[2], env=os.environ)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.mark.requirement("M27", "P2", "P-4")
async def test_killed_inside_a_call_it_is_asked_for_again_and_runs_once(tmp_path: Path) -> None:
    async with ScriptedProvider(Script(fault="stall_in_call", arguments=ARGUMENTS)) as provider:
        runs = Runs(tmp_path, "charging", provider)
        await runs.killed_when(lambda: provider.fired["stall_in_call"] > 0)
        assert runs.charged == []
        await provider.play(Script(fault="tool_call", arguments=ARGUMENTS))
        events = await runs.to_the_end()
    assert runs.charged == ["12 EUR"]
    assert end_of(events).outcome == "completed"
    assert text_of(events) == ANSWER


@pytest.mark.requirement("M27", "P3", "P-4")
async def test_killed_while_its_tool_runs_the_outcome_is_unknown_and_said_and_it_is_not_run_again(
    tmp_path: Path,
) -> None:
    async with ScriptedProvider(Script(fault="tool_call", arguments=ARGUMENTS)) as provider:
        runs = Runs(tmp_path, "charging", provider)
        (tmp_path / "hold").touch()
        await runs.killed_when(lambda: bool(runs.charged))
        (tmp_path / "hold").unlink()
        events = await runs.to_the_end()
        [*_, asked] = provider.asked
    assert runs.charged == ["12 EUR"]
    assert asked.body["messages"][-1]["role"] == "tool"
    assert "nobody knows" in asked.body["messages"][-1]["content"]
    assert ["charge" in event.reason for event in events if isinstance(event, RecoveryTaken)] == [True]
    assert end_of(events).outcome == "completed"
    assert text_of(events) == ANSWER


@pytest.mark.requirement("M11", "M27", "P2", "P-3", "P-4")
@pytest.mark.parametrize("behaviour", FALLBACKS)
async def test_killed_in_the_answer_after_its_tool_the_answer_goes_on_and_the_tool_is_left_alone(
    tmp_path: Path, behaviour: Behaviour
) -> None:
    slow = Script(token_s=0.02, prefill=behaviour, instruction=behaviour)
    async with ScriptedProvider(Script()) as provider, ScriptedProvider(slow) as second:
        await provider.play(
            Script(fault="tool_call", times=1, arguments=ARGUMENTS), Script(fault="stall_mid_stream", token_s=0.001)
        )
        runs = Runs(tmp_path, "charging", provider, second)
        await runs.killed_when(lambda: bool(second.asked))
        events = await runs.to_the_end()
    assert runs.charged == ["12 EUR"]
    assert end_of(events).outcome == "completed"
    assert sum(isinstance(event, TurnResumed) for event in events) == 1
    resets = [at for at, event in enumerate(events) if isinstance(event, Reset)]
    assert text_of(events[resets[-1] if resets else 0 :]) == ANSWER


@pytest.mark.requirement("M27", "P2", "P-2")
@pytest.mark.parametrize("behaviour", FALLBACKS)
async def test_killed_inside_json_it_comes_whole_and_is_seen_only_whole(tmp_path: Path, behaviour: Behaviour) -> None:
    whole = Script(answer=JSON, token_s=0.02, prefill=behaviour, instruction=behaviour)
    async with (
        ScriptedProvider(Script(answer=JSON, fault="cut_mid_stream", times=1)) as provider,
        ScriptedProvider(whole) as second,
    ):
        runs = Runs(tmp_path, "parsing", provider, second)
        await runs.killed_when(lambda: bool(second.asked))
        events = await runs.to_the_end()
    assert end_of(events).outcome == "completed"
    assert not any(isinstance(event, Reset) for event in events)
    assert Log.model_validate_json(text_of(events)) == LOG
