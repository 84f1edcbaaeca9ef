"""`yaoki keys`: what it makes, what it refuses, and what it shows."""

import asyncio
import json
from pathlib import Path

import pytest

from yaoki.cli.globals import Globals
from yaoki.cli.program import run
from yaoki.resilience.clock import SYSTEM_CLOCK
from yaoki.store.contract import Spending
from yaoki.store.store import open_store

SETTINGS = """[store]
url = "sqlite:///{folder}/yaoki.db"
[models.a]
provider = "openai"
model = "a"
[models.b]
provider = "openai"
model = "b"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "yaoki.toml"
    file.write_text(SETTINGS.format(folder=tmp_path))
    return file


def keys(file: Path, *arguments: str) -> int:
    return run(["--config", str(file), "keys", *arguments])


def test_the_first_key_makes_the_database_and_is_all_of_the_output(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys(file, "create", "ann") == 0
    told = capsys.readouterr()
    assert told.out.startswith("yk_")
    assert len(told.out.splitlines()) == 1
    assert "only this once" in told.err
    assert Globals(config=file).settings().store.path.exists()


def test_a_list_tells_limits_and_says_no_secret(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits = "--models a,b --requests-per-minute 5 --tokens-per-day 1000 --usd-per-day 0.5 --owner team"
    assert keys(file, "create", "ann", *limits.split()) == 0
    assert keys(file, "create", "bob") == keys(file, "revoke", "bob") == 0
    secret = capsys.readouterr().out.splitlines()[0]
    assert keys(file, "list") == 0
    listed = capsys.readouterr().out
    assert f"ann of team  {secret[:7]}…{secret[-4:]}" in listed
    assert "may use  a, b; 5 requests a minute; 1000 tokens a day; $0.5 a day" in listed
    assert "bob  yk_" in listed
    assert "may use  every model" in listed
    assert "revoked 20" in listed
    assert secret not in listed


async def spend(file: Path) -> None:
    store = await open_store(Globals(config=file).settings().store.path, "guest")
    spent = Spending(requests=2, input_tokens=30, output_tokens=4, estimated_tokens=5, cost_usd=0.25, unpriced=1)
    await store.api_keys.add({("ann", SYSTEM_CLOCK.utcnow().date()): spent})
    await store.aclose()


def test_spending_is_shown_with_its_estimates(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys(file, "create", "ann") == 0
    asyncio.run(spend(file))
    capsys.readouterr()
    assert keys(file, "list") == keys(file, "list", "--json") == 0
    *text, line = capsys.readouterr().out.splitlines()
    told = "2 answers, 30 + 4 tokens (5 of them estimated), $0.250000 at list prices (1 without a known price)"
    assert text[-1] == f"  ever     {told}"
    known = json.loads(line)
    assert known["spent"]["estimated_tokens"] == 5
    assert known["spent_today"]["cost_usd"] == 0.25
    assert known["last_used_at"] is not None
    assert "digest" not in known


@pytest.mark.parametrize(
    "arguments, code, reason",
    [
        ("create local", 2, "stands for requests without a key"),
        ("create ann --owner local", 2, "stands for requests without a key"),
        ("create a/b", 2, "is no name for a key"),
        ("create .hidden", 2, "is no name for a key"),
        ("create ann --models a,c", 2, "There is no model 'c'; there are: a, b."),
        ("create ann --tokens-per-day 0", 2, "tokens-per-day"),
        ("create ann --usd-per-day -1", 2, "usd-per-day"),
        ("revoke zed", 1, "There is no key 'zed'; see: yaoki keys list"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: str, code: int, reason: str
) -> None:
    assert keys(file, *arguments.split()) == code
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1)
    assert reason in told.err


def test_a_name_is_given_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys(file, "create", "ann") == keys(file, "revoke", "ann") == 0
    assert keys(file, "create", "ann") == 1
    assert "give this one another name" in capsys.readouterr().err


def test_without_a_database_there_are_no_keys(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys(file, "list") == 1
    assert "There is no database" in capsys.readouterr().err
