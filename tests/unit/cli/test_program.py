import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tests.unit.cli.terminal import Home
from yaoki.cli.program import app, run

COMMANDS = ["serve", "chat", "demo", "doctor", "logs", "version", "models", "sessions", "keys"]


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(f"  {command} " in result.output for command in COMMANDS)


@pytest.mark.parametrize("command", ["serve", "chat", "demo", "doctor", "logs"])
def test_help_of_a_command_gives_examples_line_by_line(command: str) -> None:
    result = CliRunner().invoke(app, [command, "-h"])
    assert result.exit_code == 0
    assert f"  Examples:\n    yaoki {command}" in result.output


def test_help_imports_nothing_that_it_does_not_need() -> None:
    code = "import sys\nfrom yaoki.cli.program import run\nrun(['--help'])\nprint('MODULES', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.partition("MODULES ")[2].split())
    heavy = {"asyncio", "fastapi", "httpx2", "openai", "pydantic", "pydantic_ai", "rich", "sqlalchemy", "structlog"}
    assert not heavy & loaded


async def test_the_script_prints_help_and_version(home: Home) -> None:
    assert "Usage: yaoki" in (await home.yaoki("--help")).out
    assert (await home.yaoki("version")).out.startswith("yaoki 0.")
    assert await home.yaoki("--version") == await home.yaoki("version")


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["sesions"], "Did you mean 'sessions'"),
        (["chat", "--bogus"], "No such option: --bogus"),
        (["logs"], "Missing argument 'SESSION'"),
        (["sessions", "list", "-n", "0"], "Invalid value for '--limit'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("yaoki: ")
    assert reason in err
    assert err.count("\n") == 1


@pytest.mark.requirement("P11")
@pytest.mark.parametrize("command", ["serve", "chat", "sessions list"])
async def test_bad_configuration_is_one_line_and_exit_code_2(home: Home, command: str) -> None:
    home.settings("[server]\nprot = 1\n")
    ended = await home.yaoki(*command.split())
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == 'yaoki: yaoki.toml: server.prot: is not a setting; did you mean "port"?\n'


@pytest.mark.requirement("P11")
async def test_a_file_may_be_named_before_or_after_the_command(home: Home) -> None:
    for arguments in (["--config", "none.toml", "serve"], ["serve", "--config", "none.toml"]):
        ended = await home.yaoki(*arguments)
        assert ended.err == "yaoki: none.toml: cannot be read (no such file or directory).\n"


@pytest.mark.requirement("P11")
async def test_a_key_that_is_not_set_stops_the_start(home: Home) -> None:
    home.settings('[models.a]\nprovider = "openai"\nmodel = "a"\napi_key_env = "A_KEY"\n')
    ended = await home.yaoki("serve")
    assert ended.code == 2
    assert "models.a.api_key_env: the environment variable A_KEY is not set" in ended.err
    assert ended.err.count("\n") == 1


async def test_completion_completes(home: Home) -> None:
    variables = {"_YAOKI_COMPLETE": "complete_bash", "COMP_WORDS": "yaoki ser", "COMP_CWORD": "1"}
    completed = await Home(home.folder, variables).yaoki()
    assert completed.out.split() == ["serve"]


async def test_without_a_database_there_are_no_sessions(home: Home) -> None:
    ended = await home.yaoki("sessions", "list")
    assert ended.code == 1
    assert "nobody has talked to Yaoki" in ended.err
