"""`yaoki chat` and what reads after it, as real processes against a scripted provider."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.unit.cli.conftest import chain
from tests.unit.cli.terminal import Home, Terminal
from yaoki.faults import ANSWER, Script, ScriptedProvider

STALLED = Script(fault="stall_mid_stream", at=60)

pytestmark = pytest.mark.slow


@pytest.fixture
async def cut() -> AsyncIterator[ScriptedProvider]:
    async with ScriptedProvider(Script(fault="cut_mid_stream", at=60)) as provider:
        yield provider


@pytest.fixture
async def healthy() -> AsyncIterator[ScriptedProvider]:
    async with ScriptedProvider() as provider:
        yield provider


async def test_once_prints_the_whole_answer_and_the_heal_beside_it(
    home: Home, cut: ScriptedProvider, healthy: ScriptedProvider
) -> None:
    home.settings(chain(cut.base_url, healthy.base_url))
    ended = await home.yaoki("chat", "--once", "Tell me.")
    assert (ended.code, ended.out) == (0, f"{ANSWER}\n")
    assert "(model.truncated); b takes over" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.requirement("P-2")
async def test_an_answer_that_nobody_could_give_is_a_failure_for_a_script(home: Home) -> None:
    async with ScriptedProvider(Script(fault="http_503")) as down:
        home.settings(f"{chain(down.base_url)}[limits]\nturn_attempts = 1\n")
        ended = await home.yaoki("chat", "--once", "Tell me.")
    assert ended.code == 1
    assert ended.err != ""


async def test_json_prints_every_event_of_the_run_as_a_line(home: Home, healthy: ScriptedProvider) -> None:
    home.settings(chain(healthy.base_url))
    ended = await home.yaoki("chat", "--once", "Tell me.", "--json")
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert all(set(line) == {"id", "event"} for line in lines)
    assert [lines[0]["event"]["type"], lines[-1]["event"]["type"]] == ["RUN_STARTED", "RUN_FINISHED"]
    assert "".join(line["event"].get("delta", "") for line in lines) == ANSWER
    assert (ended.code, ended.err) == (0, "")


async def test_questions_from_a_pipe_go_on_with_a_session_and_can_be_read_again(
    home: Home, cut: ScriptedProvider, healthy: ScriptedProvider
) -> None:
    home.settings(chain(cut.base_url, healthy.base_url))
    await home.yaoki("chat", "--once", "First?")
    listed = await home.yaoki("sessions", "list", "--json")
    session = json.loads(listed.out)
    assert session["title"] == "First?"
    ended = await home.yaoki("chat", "--session", session["id"], typed="Second?\n\nThird?\n")
    assert (ended.code, ended.out) == (0, f"{ANSWER}\n{ANSWER}\n")
    assert "you> First?" in ended.err

    shown = await home.yaoki("sessions", "show", session["id"][:8], "--json")
    messages = json.loads(shown.out)["messages"]
    assert [m["content"] for m in messages if m["role"] == "user"] == ["First?", "Second?", "Third?"]
    assert [mark["type"] for mark in messages[1]["marks"]] == ["failover", "continued"]

    logged = await home.yaoki("logs", session["id"][:8], "--json")
    events = [json.loads(line) for line in logged.out.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events].count("TurnEnded") == 3

    erased = await home.yaoki("sessions", "delete", session["id"], "--yes")
    assert erased.code == 0
    gone = await home.yaoki("logs", session["id"])
    assert (gone.code, gone.out) == (1, "")
    assert "There is no session" in gone.err


async def test_a_session_shows_what_its_turns_have_cost(home: Home, cut: ScriptedProvider) -> None:
    async with ScriptedProvider() as healthy:
        home.settings(chain(cut.base_url, healthy.base_url))
        await home.yaoki("chat", "--once", "First?")
        session = json.loads((await home.yaoki("sessions", "list", "--json")).out)["id"]
        [spent] = json.loads((await home.yaoki("sessions", "show", session, "--json")).out)["spent"].values()
        shown = (await home.yaoki("sessions", "show", session)).out
    tokens = f"{spent['input_tokens']} + {spent['output_tokens']} tokens in 2 requests"
    assert f"· {tokens}, {spent['estimated_tokens']} of them estimated" in shown


@asynccontextmanager
async def chatting(home: Home, provider: ScriptedProvider) -> AsyncGenerator[Terminal, None]:
    home.settings(chain(provider.base_url))
    async with home.terminal("chat") as terminal:
        await terminal.shows("you> ")
        yield terminal


async def test_ctrl_c_stops_the_answer_and_the_next_one_leaves(home: Home) -> None:
    async with ScriptedProvider(STALLED) as stalled, chatting(home, stalled) as terminal:
        terminal.types("Tell me.")
        await terminal.shows("A lighthouse keeper")
        terminal.ctrl_c()
        await terminal.shows("stopping; Ctrl-C again leaves")
        await terminal.shows("you> ", times=2)
        assert await terminal.interrupted() == 130
    assert "yaoki chat --session s_" in terminal.screen
    assert "Traceback" not in terminal.screen


async def test_ctrl_d_leaves(home: Home, healthy: ScriptedProvider) -> None:
    async with chatting(home, healthy) as terminal:
        terminal.types("Tell me.")
        await terminal.shows("cold coffee.")
        await terminal.shows("you> ", times=2)
        terminal.ctrl_d()
        assert await terminal.ended() == 0


@pytest.mark.requirement("P2", "C10", "P-3")
async def test_a_server_killed_in_the_middle_of_an_answer_costs_the_reader_no_word(home: Home) -> None:
    stalled_once = Script(fault="stall_mid_stream", at=60, times=1)
    async with ScriptedProvider(stalled_once) as provider:
        home.settings(chain(provider.base_url))
        async with home.terminal("serve") as first:
            await first.shows("Yaoki is ready")
            asking = asyncio.create_task(home.yaoki("chat", "--once", "Tell me."))
            await provider.until(lambda p: p.fired["stall_mid_stream"] == 1)
            first.kill()
            await first.ended()
        async with home.terminal("serve") as second:
            ended = await asking
            assert "Yaoki is ready" in second.screen
    assert (ended.code, ended.out.replace("\n", "")) == (0, ANSWER)
    assert "interrupted: the connection was lost; reconnecting" in ended.err
    assert "connected again" in ended.err


async def test_chat_uses_the_server_that_holds_the_database_wherever_it_listens(
    home: Home, healthy: ScriptedProvider
) -> None:
    home.settings(chain(healthy.base_url))
    elsewhere = Home(home.folder, {"YAOKI_SERVER__PORT": "0"})
    async with elsewhere.terminal("serve") as server:
        await server.shows("Yaoki is ready")
        ended = await home.yaoki("chat", "--once", "Tell me.")
        assert (ended.code, ended.out) == (0, f"{ANSWER}\n")
        listed = await home.yaoki("sessions", "list", "--json")
        gone = await home.yaoki("sessions", "delete", json.loads(listed.out)["id"], "-y")
        assert gone.code == 0
        assert (await home.yaoki("sessions", "list")).out == ""
