"""The disk is full, fails or is read-only; records are damaged; versions change: nothing acknowledged is lost."""

import contextlib
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.faults.harness import Stage
from tests.faults.injectors.disks import Disk, small_disk
from tests.faults.injectors.servers import PlacedStage
from tests.faults.injectors.syscalls import tampered
from tests.faults.page import Page
from tests.faults.seeds import seeded
from tests.faults.stages import shared_stage, stage
from yaoki.faults import ANSWER, Script

__all__ = ["shared_stage", "stage"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SLOW_TOKEN_S = 0.02
CANARY = "canary-4711"


@contextlib.asynccontextmanager
async def on_a_small_disk(folder: Path, *scripts: Script) -> AsyncIterator[tuple[Stage, Disk]]:
    async with (
        small_disk(folder / "disk") as disk,
        PlacedStage(folder, *scripts, under=disk.enter, database=disk.folder / "yaoki.db") as stage,
    ):
        yield stage, disk


def states(page: Page) -> list[str]:
    """What the page was told about itself, in order."""
    return [frame.body["value"]["state"] for frame in page.frames if frame.mark == "guidance"]


async def refused(stage: Stage, session: str) -> httpx2.Response:
    """The first message that is not taken: what still fits into the log's last page is kept."""
    async with stage.settling():
        while (answer := await stage.send(session, "And then? " + "…" * 2_000)).status_code == 202:
            pass
    return answer


async def assert_kept(stage: Stage, session: str, database: Path) -> None:
    """Every message that was acknowledged is answered once, and the database is sound."""
    async with stage.settling():
        while (history := await stage.history(session))["open_turn"] or history.get("waiting"):
            await stage.tick()
    asked = [message["turn_id"] for message in history["messages"] if message["role"] == "user"]
    answers = [message for message in history["messages"] if message["role"] == "assistant"]
    assert [answer["turn_id"] for answer in answers] == asked
    assert {answer["content"] for answer in answers} == {ANSWER}
    assert_sound(database)


def assert_sound(database: Path) -> None:
    """No page is damaged, and no log has a gap; looked at in a copy, since SQLite goes by a file's path."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as closing:
        for name in (database.name, f"{database.name}-wal"):
            shutil.copy(database.with_name(name), folder)
        connection = closing.enter_context(contextlib.closing(sqlite3.connect(Path(folder) / database.name)))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        logs = connection.execute("SELECT count(*), max(seq) FROM events GROUP BY session_id").fetchall()
        assert all(count == newest for count, newest in logs)


@pytest.mark.requirement("S7", "P-1", "P-7")
async def test_a_full_disk_takes_no_message_that_it_cannot_keep_and_serves_what_it_has(tmp_path: Path) -> None:
    async with on_a_small_disk(tmp_path, Script()) as (stage, disk):
        page = await stage.ask()
        await page.until_ended()
        disk.fill()
        answer = await refused(stage, page.session)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert float(answer.headers["retry-after"]) > 0
        assert answer.json()["kind"] == "session.store_unavailable"
        assert "the disk is full" in answer.json()["detail"]
        streamed = await stage.http.post(
            f"/ai/sessions/{page.session}/messages",
            json={"content": CANARY + "…" * 2_000},
            headers={"accept": "text/event-stream"},
        )
        assert (streamed.status_code, streamed.json()["kind"]) == (503, "session.store_unavailable")
        ready = await stage.http.get("/readyz")
        assert ready.status_code == 503
        assert "the disk is full" in ready.json()["reasons"]["store"]
        assert ANSWER in [message["content"] for message in (await stage.history(page.session))["messages"]]
        late = await stage.page(page.session)
        await late.until(lambda it: states(it) == ["paused"])
        assert CANARY not in stage.server.log
        await stage.server.kill()
        disk.free()
        await stage.server.start()
        await assert_kept(stage, page.session, disk.path("yaoki.db"))


@pytest.mark.requirement("S7", "P-3", "P-6", "P-7")
async def test_a_turn_that_meets_a_full_disk_waits_says_so_and_goes_on(tmp_path: Path) -> None:
    async with on_a_small_disk(tmp_path, Script(token_s=SLOW_TOKEN_S)) as (stage, disk):
        page = await stage.ask()
        await page.until_text(60)
        disk.fill()
        await page.until(lambda it: states(it) == ["paused"])
        assert (await stage.http.get("/readyz")).status_code == 503
        assert page.terminals == []
        disk.free()
        await page.until_ended()
        page.assert_whole(ANSWER)
        await page.until(lambda it: states(it) == ["paused", "saving"])
        assert (await stage.http.get("/readyz")).status_code == 200
        await assert_kept(stage, page.session, disk.path("yaoki.db"))


@pytest.mark.requirement("S7", "P2", "P5", "P-1", "P-3")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
async def test_a_server_that_ends_while_its_disk_is_full_goes_on_once_it_is_not(
    tmp_path: Path, ending: signal.Signals
) -> None:
    async with on_a_small_disk(tmp_path, Script(token_s=SLOW_TOKEN_S)) as (stage, disk):
        page = await stage.ask()
        await page.until_text(60)
        disk.fill()
        await page.until(lambda it: states(it) == ["paused"])
        stage.server.signal(ending)
        await stage.server.ended()
        assert page.terminals == []
        disk.free()
        await stage.server.start()
        await page.connect()
        await page.until_ended()
        page.assert_whole(ANSWER)
        await assert_kept(stage, page.session, disk.path("yaoki.db"))


@pytest.mark.requirement("S7", "P11")
async def test_on_a_full_disk_it_does_not_start_and_says_why_in_one_line(tmp_path: Path) -> None:
    async with on_a_small_disk(tmp_path, Script()) as (stage, disk):
        page = await stage.ask()
        await page.until_ended()
        await stage.server.kill()
        disk.fill()
        said = len(stage.server.log)
        await stage.server.spawn()
        assert await stage.server.ended() == 2
        [line] = stage.server.log[said:].splitlines()
        assert str(stage.server.database) in line
        assert "the disk is full" in line or "no space left on device" in line
        assert "store.url" in line
        disk.free()
        await stage.server.start()
        await assert_kept(stage, page.session, disk.path("yaoki.db"))


# ----------------------------------------------------------------------------------------------------- failing disks


@pytest.mark.requirement("S8", "P-1", "P-3", "P-7")
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
async def test_a_disk_that_fails_leaves_nothing_half_done(stage: Stage, call: str) -> None:
    session = await stage.session()
    async with tampered(stage.server.pid, call, "error=EIO", path=wal(stage)) as disk:
        answer = await stage.send(session, "How many ships?", id="m-1")
        assert disk.fired
        assert (answer.status_code, answer.json()["kind"]) == (503, "session.store_unavailable")
        assert "the disk reports an error" in answer.json()["detail"]
        assert (await stage.history(session))["messages"] == []
    accepted = await stage.send(session, "How many ships?", id="m-1")
    assert accepted.status_code == 202, accepted.text
    page = await stage.page(session)
    await page.until_ended()
    page.assert_whole(ANSWER)
    await assert_kept(stage, session, stage.server.database)


@pytest.mark.requirement("S8", "P-3", "P-6")
async def test_a_turn_goes_on_over_a_disk_that_fails_now_and_then(stage: Stage) -> None:
    rng = seeded()
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    page = await stage.ask()
    await page.until_text(30)
    every = f"error=EIO:when={rng.randrange(1, 20)}+{rng.randrange(30, 80)}"  # a commit writes about a dozen times
    async with tampered(stage.server.pid, "pwrite64", every, path=wal(stage)) as disk:
        await page.until_ended()
        assert disk.fired > 1, every
    page.assert_whole(ANSWER)
    await assert_kept(stage, page.session, stage.server.database)


@pytest.mark.requirement("P-1")
async def test_a_message_is_synced_before_it_is_acknowledged(stage: Stage) -> None:
    await stage.play(Script(first_token_s=0.5), Script(), Script())
    session = await stage.session()
    async with tampered(stage.server.pid, "fdatasync", "") as disk:
        assert (await stage.send(session, "How many ships?")).status_code == 202
        assert any("fdatasync" in call for call in disk.calls)


@pytest.mark.requirement("S13", "P-6", "P-7")
async def test_a_disk_that_becomes_read_only_is_told_and_is_used_again_once_it_is_not(stage: Stage) -> None:
    calls = "pwrite64,access,faccessat,faccessat2"
    page = await stage.ask()
    await page.until_ended()
    async with tampered(stage.server.pid, calls, "error=EROFS") as disk:
        ready = await stage.http.get("/readyz")
        assert disk.fired
        assert ready.status_code == 503
        assert "read-only" in ready.json()["reasons"]["store"]
        assert (await stage.send(page.session, "And then?")).status_code == 503
        assert (await stage.history(page.session))["messages"][-1]["content"] == ANSWER
    assert (await stage.http.get("/readyz")).status_code == 200
    again = await stage.ask()
    await again.until_ended()
    again.assert_whole(ANSWER)


@pytest.mark.requirement("S13", "P11")
async def test_on_a_read_only_disk_it_does_not_start_and_says_why_in_one_line(tmp_path: Path) -> None:
    async with on_a_small_disk(tmp_path, Script()) as (stage, disk):
        await stage.server.kill()
        await disk.remount("ro")
        said = len(stage.server.log)
        await stage.server.spawn()
        assert await stage.server.ended() == 2
        [line] = stage.server.log[said:].splitlines()
        assert str(stage.server.database) in line
        assert "read-only" in line
        assert "store.url" in line
        await disk.remount("rw")
        await stage.server.start()


def wal(stage: Stage) -> Path:
    return stage.server.database.with_name("yaoki.db-wal")


# ----------------------------------------------------------------------------------------------------- damaged records


@pytest.mark.requirement("S10", "P-8")
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE events SET payload = replace(payload, 'ships', 'sheep') WHERE session_id = ? AND seq = 1",
        "UPDATE events SET payload = '{' WHERE session_id = ? AND seq = 3",
        "UPDATE sessions SET metadata = '{' WHERE id = ?",
        "UPDATE sessions SET updated_at = 'noon' WHERE id = ?",
    ],
    ids=["event", "torn_event", "session", "time"],
)
async def test_a_damaged_session_says_so_and_the_others_go_on(stage: Stage, damage: str) -> None:
    [damaged, sound] = [await stage.ask(), await stage.ask()]
    await damaged.until_ended()
    await sound.until_ended()
    edit(stage.server.database, damage, damaged.session)
    await stage.server.restart()
    answer = await stage.http.get(f"/ai/sessions/{damaged.session}/history")
    assert answer.json()["kind"] == "session.corrupted"
    assert "not affected" in answer.json()["remedy"]
    listed = (await stage.http.get("/ai/sessions")).json()["sessions"]
    assert {damaged.session, sound.session} <= {session["session_id"] for session in listed}
    assert (await stage.send(sound.session, "And then?")).status_code == 202
    await assert_kept(stage, sound.session, stage.server.database)
    assert (await stage.http.delete(f"/ai/sessions/{damaged.session}")).status_code == 204


@pytest.mark.requirement("S10", "P-1", "P-7")
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE turns SET content = 'sheep' WHERE session_id = ?",
        "UPDATE model_messages SET payload = '{' WHERE turn_id = (SELECT id FROM turns WHERE session_id = ?)",
    ],
    ids=["turn", "message"],
)
async def test_a_turn_whose_record_is_damaged_ends_and_says_so_and_the_others_go_on(stage: Stage, damage: str) -> None:
    await stage.play(Script(token_s=SLOW_TOKEN_S), Script(), Script())
    [damaged, sound] = [await stage.ask(), await stage.ask()]
    await damaged.until_text(30)
    await sound.until_text(30)
    await stage.server.kill()
    edit(stage.server.database, damage, damaged.session)
    await stage.server.start()
    await damaged.connect()
    await sound.connect()
    await damaged.until_ended()
    end = damaged.assert_ended("failed")
    assert end["code"] == "session.corrupted"
    assert "damaged" in end["message"]
    assert (await stage.send(damaged.session, "And then?")).status_code == 202
    await sound.until_ended()
    sound.assert_whole(ANSWER)
    await damaged.until(lambda it: it.text == ANSWER)


@pytest.mark.requirement("S10", "P-7")
async def test_what_cannot_be_read_of_a_conversation_is_left_out_and_said(stage: Stage) -> None:
    page = await stage.ask()
    await page.until_ended()
    damage = "UPDATE model_messages SET payload = '{' WHERE turn_id = (SELECT id FROM turns WHERE session_id = ?)"
    edit(stage.server.database, damage, page.session)
    assert (await stage.send(page.session, "And then?")).status_code == 202
    await page.until(lambda it: bool(it.marks("recovery")))
    assert "damaged" in page.marks("recovery")[0]["reason"]
    await assert_kept(stage, page.session, stage.server.database)


def edit(database: Path, statement: str, session: str) -> None:
    """Change a record behind the server's back."""
    with contextlib.closing(sqlite3.connect(database, timeout=10, isolation_level=None)) as connection:
        assert connection.execute(statement, (session,)).rowcount
