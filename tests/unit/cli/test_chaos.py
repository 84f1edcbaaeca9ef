"""What `yaoki chaos` does with the command that it is given: start, read, end."""

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from yaoki.cli.chaos.chaos import command_of, pattern_of, times_of
from yaoki.cli.chaos.command import run, surroundings
from yaoki.errors import ConfigurationSettingError


async def test_a_program_whose_time_is_up_has_no_exit_code() -> None:
    ended = await run(["sleep", "60"], "http://x/v1", os.environ, timeout_s=0.2)
    assert ended.exit_code is None


async def test_cancellation_ends_a_program_with_its_children(tmp_path: Path) -> None:
    child = "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    written = tmp_path / "pid"
    program = f"{child}; open({str(written)!r}, 'w').write(f'{{p.pid}}.'); time.sleep(60)"
    running = asyncio.create_task(run([sys.executable, "-c", program], "http://x/v1", os.environ, timeout_s=60.0))
    async with asyncio.timeout(20):
        while not (written.exists() and written.read_text().endswith(".")):
            await asyncio.sleep(0.01)
        pid = int(written.read_text()[:-1])
        running.cancel()
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_child_that_a_program_leaves_behind_holds_nobody_up() -> None:
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    ended = await run([sys.executable, "-c", f"{child}; print('done')"], "http://x/v1", os.environ, timeout_s=30.0)
    assert (ended.exit_code, ended.stdout) == (0, "done\n")


async def test_an_output_without_end_is_kept_in_part() -> None:
    command = [sys.executable, "-c", "import sys; sys.stdout.write('x' * 3_000_000)"]
    ended = await run(command, "http://x/v1", os.environ, timeout_s=30.0)
    assert (ended.exit_code, len(ended.stdout)) == (0, 262_144)


def test_the_environment_of_the_program() -> None:
    given = surroundings({"NO_PROXY": "a.example", "OPENAI_BASE_URL": "https://else", "X": "1"}, "http://b/v1", key="k")
    assert (given["OPENAI_BASE_URL"], given["OPENAI_API_BASE"], given["X"]) == ("http://b/v1", "http://b/v1", "1")
    assert given["NO_PROXY"] == given["no_proxy"] == "a.example,127.0.0.1,localhost"
    assert (given["OPENAI_API_KEY"], surroundings({"OPENAI_API_KEY": "o"}, "", key="k")["OPENAI_API_KEY"]) == ("k", "o")


def test_words_of_the_command_line() -> None:
    assert command_of(["a", "b c"], None) == ("a", "b c")
    assert command_of([], "a 'b c' {base_url}") == ("a", "b c", "{base_url}")
    assert (times_of("always"), times_of("3"), pattern_of(None)) == (None, 3, None)
    for words, line in (([], None), (["a"], "b"), ([], "a 'b")):
        with pytest.raises(ConfigurationSettingError):
            command_of(words, line)
