"""`yaoki demo` as a person has it: real models, a real server, real kills; nothing of it is left behind."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.unit.cli.terminal import COMMAND, Ended, Home
from yaoki.llm.local import weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
WITHIN_S = 150.0
STARTED_S = 60.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A user whose temporary files are in a folder of their own."""
    (tmp_path / "tmp").mkdir()
    return Home(tmp_path, {"TMPDIR": str(tmp_path / "tmp"), "COLUMNS": "100", "LINES": "40", "TERM": "xterm"})


async def assert_nothing_is_left(home: Home) -> None:
    """No process of this user and no file."""
    async with asyncio.timeout(20):
        while processes_of(home):
            await asyncio.sleep(0.05)
    assert list((home.folder / "tmp").iterdir()) == []


def processes_of(home: Home) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == str(home.folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.requirement("P-2", "P-3", "P-6")
async def test_the_scoreboard_says_what_was_seen(home: Home) -> None:
    async with asyncio.timeout(WITHIN_S):
        ended = await home.yaoki("demo", "--json")
    assert ended.err == ""
    board = json.loads(ended.out)
    cut, kill = board["cut"], board["kill"]
    assert (ended.code, board["won"]) == (0, True), ended.out
    bare, yaoki = cut["bare_sdk"], cut["yaoki"]
    assert cut["cuts"] == 2, "both were cut, each once"
    assert (bare["claims_success"], bare["whole"], bare["survived"]) == (True, False, False)
    assert bare["told"]["finish_reason"] is None
    assert (
        bare["chars"] == len(bare["told"]["returned"]) == cut["after_chars"] == cut["of_chars"] - bare["missing_chars"]
    )
    assert kill["killed"]
    for side in (yaoki, kill["yaoki"]):
        assert (side["whole"], side["lost_chars"], side["repeated_chars"]) == (True, 0, 0)
        assert side["ends"] == ["completed"]
        assert side["told"]["type"] == "RUN_FINISHED"
        assert side["pause_s"] > 0
    assert yaoki["told"]["result"]["models"] == ["first", "second"]
    assert kill["yaoki"]["chars"] > kill["after_chars"] > 0
    await assert_nothing_is_left(home)


@pytest.mark.parametrize("act", ["Act 1", "Act 2"])
async def test_stopped_by_the_person_it_leaves_nothing_behind(home: Home, act: str) -> None:
    async with home.terminal("demo") as terminal:
        await terminal.shows(act, within_s=STARTED_S)
        terminal.ctrl_c()
        assert await terminal.ended() == 130
    await assert_nothing_is_left(home)
    assert "Traceback" not in terminal.screen


async def test_told_to_stop_it_leaves_nothing_behind(home: Home) -> None:
    async with home.terminal("demo") as terminal:
        await terminal.shows("Act 1", within_s=STARTED_S)
        demo = min(processes_of(home), key=lambda process: process.create_time())
        demo.send_signal(signal.SIGTERM)
        assert await terminal.ended() == 130
    await assert_nothing_is_left(home)


async def test_killed_it_takes_its_processes_along(home: Home) -> None:
    async with home.terminal("demo") as terminal:
        await terminal.shows("Act 1", within_s=STARTED_S)
        terminal.kill()
        await terminal.ended()
        async with asyncio.timeout(20):
            while processes_of(home):
                await asyncio.sleep(0.05)


async def test_without_weights_it_says_in_one_line_what_to_do(tmp_path: Path) -> None:
    """A machine with everything but the weights: the installed packages, each by a link, without that one."""
    installed = weights.require(weights.SMOLLM2, None).parents[1]
    for package in installed.iterdir():
        if not package.name.startswith(weights.SMOLLM2.package.replace("-", "_")):
            (tmp_path / package.name).symlink_to(package)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": f"{tmp_path}:{ROOT / 'src'}"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-P", *COMMAND[1:], "demo"),
        env=environ,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    ended = Ended(process.returncode, out.decode(), err.decode())
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended
    assert "yaoki models install" in ended.err
