"""How soon an answer of the embedded model goes on: after its process was killed, and after the server was.

The history is new to the model that takes over: it reads all of it before it can say a word. The reference, on the
same machine and in the same run, is the first word that a model says to a new question of that length.
"""

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
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
SHOWN_CHARS = 80
ANSWER_TOKENS = 60

# A number near the beginning makes all that follows it new, whatever a model remembers of earlier questions.
SHORT = "Of village number {number}: tell me how bread is baked there, in many steps."
LONG = (
    "Village number {number} lies by a wide river and has a stone bridge with nine arches, a market on Fridays, a mill "
    "that still turns, two schools, a museum of clocks, and a station from which three trains a day leave for the "
    "coast. In spring the river floods the lower meadows, so the farmers keep their sheep on the hill above the church "
    "until the end of May. The baker opens at five, the post office at eight, and the library only in the afternoon. "
    "Most people work in the paper factory, some on the farms, and a few drive to the city every morning. In autumn "
    "there is a fair with a race of rowing boats, and whoever wins it is carried across the bridge. The oldest house "
    "belongs to a family of weavers, the newest one to a doctor who keeps bees and plays the cello at weddings, and "
    "between the two stands an inn with a garden where people sit under chestnut trees until late in September. "
    "Write a long letter to a friend who has never been there, and tell what a day in this village is like."
)


@dataclass(slots=True, kw_only=True)
class _Case:
    """One blow, dealt in the middle of an answer to one kind of question.

    Attributes:
        waits: Seconds until the next words, of each round.
        firsts: Seconds from the start of a run to its first words, undisturbed.
        tokens: What a model had read in the end.
    """

    name: str
    question: str
    blow: "Blow"
    limit: float
    waits: list[float] = field(default_factory=list[float])
    firsts: list[float] = field(default_factory=list[float])
    tokens: list[int] = field(default_factory=list[int])

    async def play(self, stage: Stage, numbers: Iterator[int]) -> None:
        await models_answer(stage)
        page, child = await self._half_an_answer(stage, numbers)
        while (wait := await self.blow(stage, page, child)) is None:
            await stage.cut_pages()
            await models_answer(stage)
            page, child = await self._half_an_answer(stage, numbers)
        self.firsts.append(_first(page, "TEXT_MESSAGE_CONTENT") - _first(page, "RUN_STARTED"))
        self.waits.append(wait)
        end = await page.until_ended()
        self.tokens.append(end.body["result"]["usage"]["input_tokens"])
        await stage.cut_pages()

    async def _half_an_answer(self, stage: Stage, numbers: Iterator[int]) -> tuple[Page, BusyChild]:
        """One that has begun and not ended; now and then a small model has little to say, and is asked again."""
        while True:
            child = BusyChild(stage)
            page = await stage.ask(self.question.format(number=next(numbers)))
            await page.until(lambda it: len(it.text) >= SHOWN_CHARS or bool(it.terminals))
            if not page.terminals:
                return page, child

    def bound(self, tokens: int) -> Bound:
        return Bound(
            name=f"{self.name} → next words, history of {tokens} tokens, median of {len(self.waits)}",
            value=statistics.median(self.waits),
            unit="s",
            limit=self.limit,
            worst=max(self.waits),
            reference="first words to such a question",
            reference_value=statistics.median(self.firsts),
        )


def figures() -> Iterator[Bound]:
    compile_everything()
    with TemporaryDirectory(prefix="yaoki-bench-") as folder:
        yield from asyncio.run(_measured(Path(folder)))


async def _measured(folder: Path) -> list[Bound]:
    short, long = (
        _Case(name="kill -9 of the embedded model", question=question, blow=_kill_the_model, limit=NEXT_WORD_S)
        for question in (SHORT, LONG)
    )
    server = _Case(name="kill -9 of the server, from /readyz", question=LONG, blow=_kill_the_server, limit=RESUMED_S)
    cases = (short, long, server)
    numbers = count(100)
    async with Stage(folder, extra=tables(max_output_tokens=ANSWER_TOKENS)) as stage:
        for case in cases * ROUNDS:
            await case.play(stage, numbers)
    # A server that lives on counts what both models have read: the question twice, the half answer once.
    read = round(statistics.median(server.tokens))
    question = round(statistics.median(long.tokens)) - read
    half = read - question
    return [short.bound(round((statistics.median(short.tokens) + half) / 2)), long.bound(read), server.bound(read)]


Blow = Callable[[Stage, Page, BusyChild], Awaitable[float | None]]
"""Seconds until the next words; None if the answer had said its last ones before the blow."""


async def _kill_the_model(_stage: Stage, page: Page, child: BusyChild) -> float | None:
    """Seconds from the blow, which is a little before anybody knows of it, to words of the next model."""
    began = SYSTEM_CLOCK.monotonic()
    child.kill()
    await page.until_ended()
    words = _first_after(page, "failover")
    return None if words is None else words - began


async def _kill_the_server(stage: Stage, page: Page, _child: BusyChild) -> float | None:
    """Seconds from the first yes of /readyz to words; none if they came before it."""
    await stage.server.kill()
    await stage.server.spawn()
    ready = asyncio.create_task(_until_ready(stage))
    while not await page.reachable():
        pass
    await page.until_ended()
    ready_at, words = await ready, _first_after(page, "resumed")
    return None if words is None else max(0.0, words - ready_at)


async def _until_ready(stage: Stage) -> float:
    await stage.server.until_ready()
    return SYSTEM_CLOCK.monotonic()


def _first_after(page: Page, mark: str) -> float | None:
    """When the first words came after one of Yaoki's own marks; None: never."""
    marked = False
    for frame in page.frames:
        marked = marked or frame.mark == mark
        if marked and frame.type == "TEXT_MESSAGE_CONTENT":
            return frame.at
    return None


def _first(page: Page, kind: str) -> float:
    return next(frame.at for frame in page.frames if frame.type == kind)
