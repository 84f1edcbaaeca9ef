"""P12: an embedded model's process is killed, freezes, or loses its parent. Real weights, real processes."""

import asyncio
import fcntl
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from random import Random

import httpx2
import psutil
import pytest

from tests.faults.local_models import (
    FRANCE,
    PATIENT_S,
    SAGA,
    ask,
    client,
    pid_of,
    policy,
    replaced,
    running,
    runs,
    until,
)
from yaoki.errors import ConfigurationSettingError, ModelUnavailableError
from yaoki.llm.local import LocalModel, LocalModelLost, LocalModelReady, ModelState, weights
from yaoki.llm.local.process import ModelProcess
from yaoki.resilience.notices import Notices
from yaoki.resilience.retry import RetryPolicy

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ORPHAN_S = 1.0
FATAL = [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGHUP]


@asynccontextmanager
async def parent(mode: str) -> AsyncGenerator[tuple[psutil.Process, int, int], None]:
    """A process that runs a model: itself, the model's pid, the pid of what it forked (or 0)."""
    command = [sys.executable, "-m", "tests.faults.local_model_parent", mode]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout
    assert process.stderr
    heir = 0
    try:
        async with asyncio.timeout(PATIENT_S):
            line = await process.stdout.readline()
        child, heir = map(int, line.split())
        yield psutil.Process(process.pid), child, heir
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        if heir:
            os.kill(heir, signal.SIGKILL)
        said = await process.stderr.read()
        await process.stdout.read()
        await process.wait()
    assert said == b"", "nothing of a model's log reaches its parent's terminal"


@pytest.mark.requirement("P12")
@pytest.mark.parametrize("fatal", FATAL, ids=lambda fatal: fatal.name)
async def test_a_model_is_gone_within_a_second_of_its_parent(fatal: signal.Signals) -> None:
    async with parent("ready") as (process, child, _):
        assert runs(child)
        process.send_signal(fatal)
        await until(lambda: not runs(child), ORPHAN_S)


@pytest.mark.requirement("P12")
async def test_a_model_that_still_loads_is_gone_with_its_parent() -> None:
    async with parent("spawned") as (process, child, _):
        process.kill()
        await until(lambda: not runs(child), ORPHAN_S)


@pytest.mark.requirement("P12")
async def test_a_frozen_model_is_gone_with_its_parent() -> None:
    async with parent("ready") as (process, child, _):
        os.kill(child, signal.SIGSTOP)
        process.kill()
        await until(lambda: not runs(child), ORPHAN_S)


@pytest.mark.requirement("P12")
async def test_a_model_is_gone_with_its_parent_although_a_fork_of_it_keeps_the_pipe_open() -> None:
    async with parent("forked") as (process, child, heir):
        process.kill()
        await until(lambda: not runs(child), ORPHAN_S)
        assert runs(heir)


@pytest.mark.requirement("P12")
async def test_the_end_of_the_pipe_alone_ends_a_model() -> None:
    model = LocalModel("smol", policy())
    process = await ModelProcess.spawn(model._order(weights.require(weights.SMOLLM2, None)))
    try:
        await process.serving(PATIENT_S)
        process._orders.close()
        await until(lambda: not runs(process.pid), ORPHAN_S)
    finally:
        await process.kill()


@pytest.mark.requirement("P12")
@pytest.mark.parametrize("fatal", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT], ids=lambda fatal: fatal.name)
async def test_a_killed_model_is_back_with_its_key_and_another_address(fatal: signal.Signals) -> None:
    notices = Notices()
    lost: list[LocalModelLost] = []
    ready: list[LocalModelReady] = []
    notices.subscribe(LocalModelLost, lost.append)
    notices.subscribe(LocalModelReady, ready.append)
    async with running(notices=notices) as model:
        key, old = model.api_key, pid_of(model)
        os.kill(old, fatal)
        await until(lambda: model.state is not ModelState.READY, 1.0)
        with pytest.raises(ModelUnavailableError, match=fatal.name) as refusal:
            _ = model.base_url
        assert refusal.value.retry_after_s is not None
        await replaced(model, old)
        assert model.api_key == key
        assert await ask(model, FRANCE, max_tokens=4)
        assert [notice.reason for notice in lost] == [f"was killed by {fatal.name}"]
        assert [notice.pid for notice in ready] == [old, pid_of(model)]
        assert not runs(old)


@pytest.mark.requirement("P12")
async def test_a_frozen_model_is_replaced() -> None:
    notices = Notices()
    lost: list[LocalModelLost] = []
    notices.subscribe(LocalModelLost, lost.append)
    async with running(notices=notices) as model:
        old = pid_of(model)
        os.kill(old, signal.SIGSTOP)
        took_s = await replaced(model, old)
        assert took_s < 10.0
        assert not runs(old)
        assert "frozen" in lost[0].reason
        assert await ask(model, FRANCE, max_tokens=4)


async def test_a_busy_model_is_not_taken_for_a_frozen_one() -> None:
    async with running() as model:
        busy = pid_of(model)
        answers = await asyncio.gather(*(ask(model, FRANCE, max_tokens=20) for _ in range(30)))
        assert len(answers) == 30
        assert model.pid == busy


async def test_closing_leaves_no_process_whatever_was_under_way() -> None:
    me = psutil.Process()
    before = set(me.children(recursive=True))
    for readiness in (0.0, 0.05, PATIENT_S):
        model = LocalModel("smol", policy())
        await model.start()
        with suppress(ModelUnavailableError):
            await model.wait_ready(readiness)
        await model.aclose()
        await model.aclose()
        assert set(me.children(recursive=True)) == before
        assert model.state is ModelState.DOWN
        assert model.pid is None


async def test_an_answer_under_way_is_cut_with_the_process() -> None:
    async with running() as model, client(model) as http:
        body = {"messages": SAGA, "stream": True, "max_tokens": 1500}
        async with http.stream("POST", "/chat/completions", json=body) as response:
            lines = response.aiter_lines()
            await anext(lines)
            os.kill(pid_of(model), signal.SIGKILL)
            with pytest.raises(httpx2.HTTPError):
                assert [line async for line in lines] == []


async def test_a_file_that_does_not_load_is_tried_again_ever_more_slowly_and_heals(tmp_path: Path) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF")
    notices = Notices()
    lost: list[LocalModelLost] = []
    notices.subscribe(LocalModelLost, lost.append)
    wanted = policy(path=file, respawn=RetryPolicy(delay_s=0.02, max_delay_s=0.1))
    async with LocalModel("mine", wanted, rng=Random(1), notices=notices) as model:
        with pytest.raises(ConfigurationSettingError, match="did not load") as refusal:
            await model.wait_ready(PATIENT_S)
        assert refusal.value.facts == {"file": str(file), "setting": "models.mine.path"}
        await until(lambda: len(lost) >= 4)
        for attempt, notice in enumerate(lost[:4], 1):
            most = wanted.respawn.delay_after(attempt)
            assert most / 2 <= notice.respawn_in_s <= most
        file.unlink()
        file.symlink_to(weights.require(weights.SMOLLM2, None))
        await until(lambda: model.state is ModelState.READY)


async def test_a_model_inherits_no_descriptor_so_a_lock_does_not_live_on_in_it(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    held = os.open(file, os.O_CREAT | os.O_RDWR)
    os.set_inheritable(held, True)
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    async with running() as model:
        opened = {entry.path for entry in psutil.Process(pid_of(model)).open_files()}
        assert str(file) not in opened
        os.close(held)
        other = os.open(file, os.O_RDWR)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
        assert runs(pid_of(model))


async def test_a_model_sees_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    async with running() as model:
        process = psutil.Process(pid_of(model))
        assert "canary" not in str(process.environ())
        assert model.api_key not in str(process.environ())
        assert model.api_key not in " ".join(process.cmdline())


async def test_a_lack_of_our_own_descriptors_is_not_held_against_a_model() -> None:
    async with running() as model:
        assert model._process
        with no_descriptor_left(), pytest.raises(OSError, match="Too many open files"):
            os.open("/dev/null", os.O_RDONLY)
        with no_descriptor_left():
            assert await model._process._answers(1.0)


@contextmanager
def no_descriptor_left() -> Generator[None]:
    """This process can open nothing more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    hoard: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (_highest_descriptor() + 8, limits[1]))
    try:
        with suppress(OSError):
            while True:
                hoard.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in hoard:
            os.close(descriptor)


def _highest_descriptor() -> int:
    return max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
