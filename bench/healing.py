"""How soon an answer of the embedded model goes on: after its process was killed, and after the server was.

The history is new to the model that takes over: it reads all of it before it can say a word. The reference, on the
same machine and in the same run, is the first word that a model says to a new question of that length.
"""

import asyncio
import statistics
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figures import Bound
from bench.spine import compile_everything
from tests.faults.embedded import BusyChild, models_answer, tables
from tests.faults.harness import Stage
from tests.faults.page import Page
from yaoki.resilience.clock import SYSTEM_CLOCK

ROUNDS = 5
NEXT_WORD_S = 0.5
RESUMED_S = 2.0
SHOWN_CHARS = 120
TOWNS = ("Arden", "Birka", "Celje", "Dinan", "Eupen", "Fåborg", "Ghent", "Husum", "Ipswich", "Jena")
"""A name near the beginning makes all that follows it new, whatever a model remembers of earlier questions."""
QUESTION = (
    "{town} lies by a wide river and has a stone bridge with nine arches, a market on Fridays, a mill that still "
    "turns, two schools, a museum of clocks, and a station from which three trains a day leave for the coast. In "
    "spring the river floods the lower meadows, so the farmers keep their sheep on the hill above the church until "
    "the end of May. The baker opens at five, the post office at eight, and the library only in the afternoon. Most "
    "people work in the paper factory, some on the farms, and a few drive to the city every morning. In autumn there "
    "is a fair with a race of rowing boats, and whoever wins it is carried across the bridge. The oldest house "
    "belongs to a family of weavers. Write a long letter to a friend who has never been there, and tell what a day "
    "in this town is like."
)


def figures() -> Iterator[Bound]:
    compile_everything()
    with TemporaryDirectory(prefix="yaoki-bench-") as folder:
        yield from asyncio.run(_measured(Path(folder)))


async def _measured(folder: Path) -> list[Bound]:
    firsts: list[float] = []
    models: list[float] = []
    servers: list[float] = []
    tokens: list[int] = []
    async with Stage(folder, extra=tables()) as stage:
        for number in range(ROUNDS):
            for town, killed, waits in (
                (TOWNS[2 * number], _model_killed, models),
                (TOWNS[2 * number + 1], _server_killed, servers),
            ):
                await models_answer(stage)
                child = BusyChild(stage)
                page = await stage.ask(QUESTION.format(town=town))
                await page.until_text(SHOWN_CHARS)
                firsts.append(_first(page, "TEXT_MESSAGE_CONTENT") - _first(page, "RUN_STARTED"))
                waits.append(await killed(stage, page, child))
                end = await page.until_ended()
                tokens.append(end.body["result"]["usage"]["input_tokens"])
                await stage.cut_pages()
    history = f"history of {min(tokens)} tokens"  # a server that was not killed counts what the first model read, too
    print(firsts, models, servers, tokens)
    return [
        _bound(f"kill -9 of the embedded model → next words, {history}", models, NEXT_WORD_S, firsts),
        _bound(f"kill -9 of the server → next words, from /readyz, {history}", servers, RESUMED_S, firsts),
    ]


def _bound(name: str, waits: list[float], limit: float, firsts: list[float]) -> Bound:
    return Bound(
        name=f"{name}, median of {len(waits)}",
        value=statistics.median(waits),
        unit="s",
        limit=limit,
        worst=max(waits),
        reference="first word to such a question",
        reference_value=statistics.median(firsts),
    )


async def _model_killed(stage: Stage, page: Page, child: BusyChild) -> float:
    """Seconds from the blow, which is a little before anybody knows of it, to words of the next model."""
    del stage
    began = SYSTEM_CLOCK.monotonic()
    child.kill()
    await page.until_ended()
    return _first_after(page, "failover") - began


async def _server_killed(stage: Stage, page: Page, child: BusyChild) -> float:
    """Seconds from the first yes of /readyz to words; whatever comes before that counts as none."""
    del child
    await stage.server.kill()
    await stage.server.spawn()
    ready = asyncio.create_task(_until_ready(stage))
    while not await page.reachable():
        pass
    await page.until_ended()
    return max(0.0, _first_after(page, "resumed") - await ready)


async def _until_ready(stage: Stage) -> float:
    await stage.server.until_ready()
    return SYSTEM_CLOCK.monotonic()


def _first_after(page: Page, mark: str) -> float:
    """When the first words came after one of Yaoki's own marks."""
    marked = next(number for number, frame in enumerate(page.frames) if frame.mark == mark)
    return next(frame.at for frame in page.frames[marked:] if frame.type == "TEXT_MESSAGE_CONTENT")


def _first(page: Page, kind: str) -> float:
    return next(frame.at for frame in page.frames if frame.type == kind)
