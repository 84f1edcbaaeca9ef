"""The real embedded model is cut, killed or loses its server in the middle of a sentence; the log tells one story."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.embedded import (
    AGENT,
    BREAD,
    BusyChild,
    assert_one_story,
    logged,
    models_answer,
    tables,
)
from tests.faults.harness import Stage
from tests.faults.local_models import running
from tests.faults.page import Page
from yaoki.faults import FaultProxy
from yaoki.store.events import Continued, FailedOver, Reset, TurnEnded, TurnResumed

pytestmark = pytest.mark.slow

SOME_CHARS = 60
WHOLE = {"completed", "output_limit"}
"""A small model may well use up its 120 tokens; then that is said."""


async def told(stage: Stage, page: Page) -> list[object]:
    """Check log, page, replay and history of an ended answer against each other; returns the log's events."""
    [end] = page.terminals
    stored = await logged(stage, page.session)
    text = assert_one_story(stored)
    events: list[object] = [one.event for one in stored]
    last = events[-1]
    assert isinstance(last, TurnEnded)
    again = await stage.page(page.session)
    again.turn = page.turn
    assert (await again.until_ended()).id == end.id
    [_, answer] = (await stage.history(page.session))["messages"]
    assert page.text == again.text == answer["content"] == text
    assert answer["outcome"] == last.outcome
    assert (end.type == "RUN_FINISHED") == (last.outcome in {*WHOLE, "degraded"})
    return events


def of(kind: type[object], events: list[object]) -> int:
    return sum(isinstance(event, kind) for event in events)


async def half(stage: Stage) -> tuple[Page, BusyChild]:
    """An answer of which some words are on the page, and the process that says them."""
    await models_answer(stage)
    child = BusyChild(stage)
    page = await stage.ask(BREAD)
    await page.until_text(SOME_CHARS)
    return page, child


@pytest.mark.requirement("M11", "P-2", "P-3")
async def test_a_cut_between_server_and_model_costs_a_mark_and_no_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("one") as model, FaultProxy(urlsplit(model.base_url).netloc) as proxy:
        monkeypatch.setenv("KEY_OF_ONE", model.api_key)
        reached = f'base_url = "http://{proxy.address}/v1"\napi_key_env = "KEY_OF_ONE"\nmax_output_tokens = 120\n'
        one = f'[models.one]\nprovider = "openai"\nmodel = "one"\nfallbacks = ["two"]\n{reached}'
        two = '[models.two]\nprovider = "local"\ncontext_tokens = 2048\nmax_output_tokens = 120\n'
        async with Stage(tmp_path, extra=one + two + AGENT) as stage:
            await models_answer(stage)
            page = await stage.ask(BREAD)
            await page.until_text(SOME_CHARS)
            assert proxy.cut() > 0
            await page.until_ended()
            events = await told(stage, page)
            assert (of(FailedOver, events), of(Continued, events), of(Reset, events)) == (1, 1, 0)
            assert page.terminals[0].body["result"]["outcome"] in WHOLE


async def kill_the_model(stage: Stage, page: Page, child: BusyChild) -> None:
    del stage, page
    child.kill()


async def kill_the_server(stage: Stage, page: Page, child: BusyChild) -> None:
    del child
    await stage.server.restart()
    await page.connect()


Blow = Callable[[Stage, Page, BusyChild], Awaitable[None]]


@pytest.mark.requirement("P12", "P2", "P-1", "P-3", "P-6")
@pytest.mark.parametrize(
    "blow, failovers, resumptions",
    [(kill_the_model, 1, 0), (kill_the_server, 0, 1)],
    ids=["model", "server"],
)
async def test_whatever_is_killed_the_answer_goes_on_from_its_last_word(
    tmp_path: Path, blow: Blow, failovers: int, resumptions: int
) -> None:
    async with Stage(tmp_path, extra=tables()) as stage:
        page, child = await half(stage)
        shown = page.text
        await blow(stage, page, child)
        await page.until_ended()
        events = await told(stage, page)
        assert (of(FailedOver, events), of(TurnResumed, events), of(Reset, events)) == (failovers, resumptions, 0)
        assert of(Continued, events) == 1
        assert page.text.startswith(shown)
        assert len(page.text) > len(shown)
        assert page.terminals[0].body["result"]["outcome"] in WHOLE


@pytest.mark.requirement("P12", "P-1", "P-2", "P-3", "P-7")
async def test_a_small_model_that_is_only_told_to_go_on_joins_or_says_that_it_begins_again(tmp_path: Path) -> None:
    """It seldom repeats the last words as asked; whatever it makes of it, nothing of that may be shown as a rest."""
    async with Stage(tmp_path, extra=tables(continuation="instruction")) as stage:
        page, child = await half(stage)
        child.kill()
        await page.until_ended()
        events = await told(stage, page)
        joined = [event for event in events if isinstance(event, Continued)]
        assert {event.mode for event in joined} <= {"instruction"}
        assert (len(joined), of(Reset, events)) in {(1, 0), (0, 1)}
        assert len(page.marks("reset")) == of(Reset, events)
        hop = page.marks("failover")[0]
        assert (hop["from"], hop["phase"]) == ("one", "mid_stream")
        assert page.terminals[0].body["result"]["outcome"] in WHOLE
