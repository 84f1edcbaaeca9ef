"""What the settings say reaches the turns: keys, output limits, the filter's model, statements, the cache."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from yaoki.app.compose import Application, composed
from yaoki.faults import ANSWER, Script, ScriptedProvider
from yaoki.settings import load
from yaoki.store.events import DomainEvent, TextDelta, TurnEnded

Start = Callable[[str], AbstractAsyncContextManager[Application]]
OWNER = "local"
WAIT_S = 25.0


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Composes an application from TOML, on this test's own database."""

    @asynccontextmanager
    async def started(toml: str) -> AsyncIterator[Application]:
        file = tmp_path / "yaoki.toml"
        file.write_text(f'[store]\nurl = "sqlite:///yaoki.db"\n{toml}')
        async with composed(load(file, {"HOME": str(tmp_path)})) as application:
            yield application

    return started


async def ask(application: Application, question: str = "How many ships?") -> tuple[str, TurnEnded]:
    """The text and the end of a turn in a session of its own."""
    session = await application.orchestrator.create_session(OWNER)
    await application.orchestrator.send(OWNER, session.id, question)
    events: list[DomainEvent] = []
    with await application.orchestrator.tail(OWNER, session.id, 0) as tail:
        while not (events and isinstance(events[-1], TurnEnded)):
            events += [stored.event for stored in await tail.read(WAIT_S)]
    end = events[-1]
    assert isinstance(end, TurnEnded)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), end


def model(name: str, provider: ScriptedProvider, *more: str) -> str:
    lines = (f"[models.{name}]", 'provider = "openai"', f'model = "{name}"', f'base_url = "{provider.base_url}"', *more)
    return "\n".join(lines) + "\n"


@pytest.mark.requirement("M3", "M23")
async def test_a_second_key_takes_over(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST_KEY", "one")
    monkeypatch.setenv("SECOND_KEY", "two")
    keys = 'api_key_env = "FIRST_KEY"\nmore_api_key_envs = ["SECOND_KEY"]'
    async with ScriptedProvider(Script(fault="quota_spent", times=1)) as provider:
        async with start(model("m", provider, keys)) as application:
            assert (await ask(application))[0] == ANSWER
            assert (
                b'yaoki_parked_total{kind="model.quota_exceeded",model="m",what="key"} 1.0'
                in (application.metrics.exposition()[0])
            )
        asked = [request.headers["authorization"] for request in provider.requests if request.kind == "answer"]
    assert asked == ["Bearer one", "Bearer two"]


@pytest.mark.requirement("M18", "M19")
async def test_limits_and_filters_follow_the_models_settings(start: Start) -> None:
    async with (
        ScriptedProvider(Script(fault="length", at=166, times=1)) as limited,
        ScriptedProvider(Script(fault="filtered_first")) as prudish,
        ScriptedProvider(Script(answer="Seven.")) as other,
    ):
        toml = (
            model("limited", limited, 'on_output_limit = "continue"')
            + model("prudish", prudish, 'on_filter = "other"')
            + model("other", other)
        )
        async with start(f'{toml}[agents.default]\nmodel = "limited"\n') as application:
            assert (await ask(application))[0] == ANSWER
        async with start(f'{toml}[agents.default]\nmodel = "prudish"\n') as application:
            assert (await ask(application))[0] == "Seven."


@pytest.mark.requirement("M25")
async def test_the_cache_and_the_statement_follow_the_settings(start: Start) -> None:
    async with ScriptedProvider() as provider:
        agent = (
            '[agents.default]\nmodel = "m"\ndegraded = "Aus."\n[cache]\nmax_entries = 1\n[limits]\nturn_attempts = 1\n'
        )
        async with start(model("m", provider) + agent) as application:
            await ask(application, "one")
            await ask(application, "two")
            await provider.play(Script(fault="http_500"))
            assert (await ask(application, "two"))[1].outcome == "cached"
            text, end = await ask(application, "one")
            assert (text, end.outcome) == ("Aus.", "degraded")
