"""`yaoki chaos` as a command: other people's programs, each a few lines of Python, against a scripted upstream."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.ports import free_port
from tests.unit.cli.terminal import COMMAND, Home
from yaoki.faults import ANSWER, Script, ScriptedProvider

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

EXAMPLE = Path(__file__).parents[2] / "examples" / "chaos"

KEY = "sk-canary-5f1c9a7be2"
ASK = """
import http.client, json, os, sys
from urllib.parse import urlsplit
base = urlsplit(sys.argv[1] if len(sys.argv) > 1 else os.environ["OPENAI_BASE_URL"])
line = http.client.HTTPConnection(base.netloc, timeout=20)
body = {"model": "m", "messages": [{"role": "user", "content": "How many ships?"}], "stream": STREAM}
key = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]}
line.request("POST", base.path + "/chat/completions", json.dumps(body), key)
response = line.getresponse()
"""
STREAMED = ASK.replace("STREAM", "True") + (
    "for event in response:\n"
    "    data = event.decode().removeprefix('data: ').strip()\n"
    "    if data.startswith('{'):\n"
    "        for choice in json.loads(data)['choices']:\n"
    "            print(choice['delta'].get('content') or '', end='')\n"
)
WHOLE = ASK.replace("STREAM", "False") + "print(json.load(response)['choices'][0]['message']['content'])\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, {"COLUMNS": "120", "OPENAI_API_KEY": KEY})


async def report(home: Home, program: str, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the report on a program."""
    (home.folder / "ask.py").write_text(program)
    ended = await home.yaoki("chaos", "--json", "--pause-s", "0.05", *options, "--", sys.executable, "ask.py")
    assert ended.out, ended.err
    return ended.code, json.loads(ended.out)


def verdicts(facts: dict[str, Any]) -> dict[str, str]:
    return {one["fault"]: one["verdict"] for one in facts["runs"]}


async def test_a_program_that_believes_every_end_sells_half_an_answer(home: Home) -> None:
    code, facts = await report(home, STREAMED, "--faults", "cut_mid_stream,reset_mid_stream,slow_first_byte,empty")
    assert verdicts(facts) == {
        "cut_mid_stream": "cut",
        "reset_mid_stream": "told",
        "slow_first_byte": "whole",
        "empty": "lost",
    }
    assert code == 1
    assert (facts["verdicts"]["cut"], facts["interrupted"], facts["upstream"]) == (1, False, "scripted")


async def test_a_program_that_asks_for_documents(home: Home) -> None:
    faults = "cut_mid_stream,length,never_answers,html,error_event"
    code, facts = await report(home, WHOLE, "--faults", faults, "--timeout-s", "15", "--parallel", "5", "--at", "50")
    assert verdicts(facts) == {
        "cut_mid_stream": "told",
        "length": "cut",
        "never_answers": "hung",
        "html": "told",
        "error_event": "told",
    }
    assert code == 1


async def test_a_program_that_prints_whatever_it_is_given(home: Home) -> None:
    blind = STREAMED.replace("    data = ", "    if event.startswith(b'<'): print(event.decode())\n    data = ")
    code, facts = await report(home, blind, "--faults", "html")
    assert (code, verdicts(facts)) == (1, {"html": "lost"})
    assert "words of the fault" in facts["runs"][0]["why"]


async def test_no_lie_is_exit_code_0(home: Home) -> None:
    code, facts = await report(home, WHOLE, "--faults", "html,http_500")
    assert (code, facts["verdicts"]["told"]) == (0, 2)


async def test_a_program_that_tries_again_shows_the_answer_twice_or_whole(home: Home) -> None:
    again = (
        f"for attempt in range(2):\n    try:\n        exec({STREAMED!r})\n        break\n    except Exception: pass\n"
    )
    _, facts = await report(home, again, "--faults", "http_500,reset_mid_stream")
    assert verdicts(facts) == {"http_500": "whole", "reset_mid_stream": "repeated"}


async def test_each_request_is_hit_where_it_is_asked_for(home: Home) -> None:
    again = f"for attempt in range(2):\n    try:\n        exec({WHOLE!r})\n        break\n    except Exception: pass\n"
    _, once = await report(home, again, "--faults", "html")
    _, always = await report(home, again, "--faults", "html", "--times", "always")
    assert (verdicts(once), verdicts(always)) == ({"html": "whole"}, {"html": "lost"})
    assert (once["runs"][0]["fired"], always["runs"][0]["fired"]) == (1, 2)


async def test_what_the_users_own_upstream_says_is_asked_once_and_given_again(home: Home) -> None:
    async with ScriptedProvider(Script(answer="One, two, three and four ships, all of them grey.")) as upstream:
        _, facts = await report(home, STREAMED, "--upstream", upstream.base_url, "--faults", "cuts")
        assert len(upstream.requests) == 1
        assert upstream.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert facts["healthy"]["stdout"] == "One, two, three and four ships, all of them grey."
    assert len(facts["runs"]) > 10
    assert facts["upstream"] == upstream.base_url


async def test_a_program_without_patience_gets_a_second_healthy_run(home: Home) -> None:
    """The first answer is given when all of it is there; the next time it is known."""
    hasty = STREAMED.replace("timeout=20", "timeout=3")
    async with ScriptedProvider(Script(first_token_s=7.0)) as upstream:
        _, facts = await report(home, hasty, "--upstream", upstream.base_url, "--faults", "http_500,cut_mid_stream")
        assert len(upstream.requests) == 1
    assert verdicts(facts) == {"http_500": "told", "cut_mid_stream": "cut"}


async def test_keys_are_in_no_report(home: Home) -> None:
    chatty = STREAMED + "print('key:', os.environ['OPENAI_API_KEY'])\nprint(key, file=sys.stderr)\n"
    (home.folder / "ask.py").write_text(chatty)
    ended = await home.yaoki("chaos", "--faults", "cut_mid_stream", "--", sys.executable, "ask.py", "{base_url}", KEY)
    assert ended.code == 1, ended.err
    written = [(home.folder / "chaos-report" / name).read_text() for name in ("chaos.html", "chaos.json")]
    for text in (ended.out, ended.err, *written):
        assert KEY not in text
    assert all("[key]" in text for text in written)


async def test_keys_are_not_in_what_is_said_of_a_program_that_fails(home: Home) -> None:
    (home.folder / "ask.py").write_text(STREAMED + "sys.exit('401: ' + key['Authorization'])\n")
    ended = await home.yaoki("chaos", "--", sys.executable, "ask.py")
    assert ended.code == 2
    assert "401: Bearer [key]" in ended.err
    assert KEY not in ended.err


async def test_the_page_stands_alone_and_escapes_what_it_is_given(home: Home) -> None:
    rude = STREAMED + "print('<script>alert(1)</script>')\n"
    await report(home, rude, "--faults", "cut_mid_stream", "--out", "here/and there")
    page = (home.folder / "here" / "and there" / "chaos.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"\b(?:src|href|url)\s*[=(]|@import|https?://(?!127)", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


async def test_the_table_says_each_fault_and_what_it_came_to(home: Home) -> None:
    (home.folder / "ask.py").write_text(WHOLE)
    ended = await home.yaoki("chaos", "--faults", "html,length", "--command", f"{sys.executable} ask.py {{base_url}}")
    assert re.search(r"html .*M16.*told", ended.out)
    assert re.search(r"length .*M18.*cut", ended.out)
    assert "2 faults: 1 told, 1 cut." in ended.out
    assert "[2/2] length: cut" in ended.err


async def test_the_list_names_every_set_and_fault(home: Home) -> None:
    ended = await home.yaoki("chaos", "--list")
    assert ended.code == 0
    assert "default: one of each kind" in ended.out
    assert "M11  cut_mid_stream" in ended.out


@pytest.mark.parametrize(
    "program, options, said",
    [
        ("print('hello')", (), "OPENAI_BASE_URL"),
        ("import sys; sys.exit('no such model')", (), "asked for no chat completion"),
        (WHOLE.replace("print(", "str("), (), "prints no answer as it came"),
        (WHOLE, ("--told-pattern", "("), "--told-pattern"),
        (WHOLE, ("--times", "0"), "--times"),
        (WHOLE, ("--faults", "cat"), "There is no fault 'cat'"),
        (WHOLE, ("--upstream", "api.openai.com"), "must be an http(s) address"),
        (WHOLE, ("--upstream", "http://127.0.0.1:9/v1"), "not reachable"),
        (WHOLE, ("--parallel", "2", "--port", "9100"), "--parallel needs a proxy for each run"),
    ],
)
async def test_what_cannot_be_measured_is_one_line_and_exit_code_2(
    home: Home, program: str, options: tuple[str, ...], said: str
) -> None:
    (home.folder / "ask.py").write_text(program)
    ended = await home.yaoki("chaos", *options, "--", sys.executable, "ask.py")
    assert (ended.code, ended.out) == (2, ""), ended.err
    last = ended.err.splitlines()[-1]
    assert last.startswith("yaoki: ")
    assert said in last


async def test_a_program_that_does_not_exist(home: Home) -> None:
    ended = await home.yaoki("chaos", "--", "no-such-program")
    assert ended.code == 2
    assert "no-such-program: cannot be started" in ended.err


async def test_where_no_fault_fires_nothing_is_shown(home: Home) -> None:
    second = f"import pathlib\nif pathlib.Path('seen').exists(): print({ANSWER!r})\nelse:\n    exec({WHOLE!r})\n"
    code, facts = await report(home, second + "pathlib.Path('seen').touch()\n", "--faults", "html,length")
    assert (code, facts["verdicts"]["not fired"]) == (2, 2)
    page = (home.folder / "chaos-report" / "chaos.html").read_text()
    assert "none of 0 faults ended badly, 2 did not fire" in page


async def test_stopped_by_the_person_it_ends_the_program_and_reports_what_it_has(home: Home) -> None:
    (home.folder / "ask.py").write_text(STREAMED)
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("chaos", "--faults", "cut_mid_stream,never_answers", "--", sys.executable, "ask.py"),
        cwd=home.folder,
        env=home.environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while not (await process.stderr.readline()).startswith(b"[1/2]"):
            pass
        children = psutil.Process(process.pid).children()
        while not children:
            await asyncio.sleep(0.01)
            children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    out, _ = await process.communicate()
    assert process.returncode == 130
    assert b"Stopped before the end" in out
    assert not any(child.is_running() for child in children)
    facts = json.loads((home.folder / "chaos-report" / "chaos.json").read_text())
    assert (facts["interrupted"], verdicts(facts)) == (True, {"cut_mid_stream": "cut"})


@asynccontextmanager
async def serving(home: Home, port: int, chaos_port: int, healthy_url: str) -> AsyncGenerator[None, None]:
    """The example's Yaoki before the proxy, with the healthy upstream itself as its fallback."""
    example = (EXAMPLE / "yaoki.toml").read_text()
    for known, own in (
        ("port = 8478", f"port = {port}"),
        ("http://127.0.0.1:9100/v1", f"http://127.0.0.1:{chaos_port}/v1"),
        ("http://127.0.0.1:9101/v1", healthy_url),
    ):
        assert known in example
        example = example.replace(known, own)
    home.settings(example)
    async with home.terminal("serve") as terminal:
        await terminal.shows("Yaoki is ready", within_s=60)
        yield
        terminal.ctrl_c()
        await terminal.ended()


@pytest.mark.requirement("M4", "M11", "M12", "M13", "M16", "P-2", "P-3")
async def test_the_same_script_with_only_its_base_url_changed(home: Home) -> None:
    """The example, with the openai SDK: alone it sells half an answer; with Yaoki in between every answer is whole."""
    ask = (EXAMPLE / "ask.py").read_text()
    faults = "http_500,html,cut_mid_stream,done_without_finish,cut_in_event,reset_mid_stream,error_event,empty"
    _, bare = await report(home, ask, "--faults", faults, "--timeout-s", "60")
    assert verdicts(bare) == {
        "http_500": "whole",  # the SDK asks again
        "html": "lost",
        "cut_mid_stream": "cut",
        "done_without_finish": "cut",
        "cut_in_event": "cut",
        "reset_mid_stream": "told",
        "error_event": "told",
        "empty": "lost",
    }
    port, chaos_port = free_port(), free_port()
    async with ScriptedProvider() as healthy, serving(home, port, chaos_port, healthy.base_url):
        between = ("--port", str(chaos_port), "--client-base-url", f"http://127.0.0.1:{port}/v1")
        code, yaoki = await report(home, ask, "--faults", faults, "--timeout-s", "60", *between)
    assert set(verdicts(yaoki).values()) == {"whole"}, yaoki["runs"]
    assert {one["fired"] for one in yaoki["runs"]} == {1}
    assert code == 0
