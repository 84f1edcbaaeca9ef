"""A stage whose server runs embedded models: the real weights, in processes that can be hit."""

import psutil

from tests.faults.harness import Stage
from yaoki.store.events import FailedOver, Reset, Stored, TextDelta, TurnEnded
from yaoki.store.store import open_store

BREAD = "Tell me how to bake bread, in many steps."
_TELLING_CHARS = 12
"""A run of characters that no model says again by chance where another one stopped."""


def tables(*, continuation: str = "auto", max_output_tokens: int = 120) -> str:
    """Settings of two embedded models, `one` and behind it `two`, and an agent that asks them."""
    model = (
        'provider = "local"\ncontext_tokens = 2048\nidle_timeout_s = 2.0\n'
        f'continuation = "{continuation}"\nmax_output_tokens = {max_output_tokens}\n'
    )
    return f'[models.one]\n{model}fallbacks = ["two"]\n[models.two]\n{model}{AGENT}'


AGENT = '[agents.default]\nmodel = "one"\ninstructions = "You are a helpful assistant."\n'


async def models_answer(stage: Stage) -> None:
    """Wait until every embedded model is ready."""
    async with stage.settling():
        while set((await stage.http.get("/readyz?verbose")).json()["notes"].values()) != {"ready"}:
            await stage.tick()


class BusyChild:
    """Finds the child of a server that has worked most since this was made: the model that answers."""

    def __init__(self, stage: Stage) -> None:
        self._before = {child: _worked(child) for child in stage.server.process.children()}

    def kill(self) -> None:
        """kill -9 it."""
        max(self._before, key=lambda child: _worked(child) - self._before[child]).kill()


def _worked(child: psutil.Process) -> float:
    times = child.cpu_times()
    return times.user + times.system


async def logged(stage: Stage, session: str) -> list[Stored]:
    """The session's log, read beside the server."""
    store = await open_store(stage.server.database, "reader")
    try:
        return await store.log.read(session)
    finally:
        await store.aclose()


def assert_one_story(events: list[Stored]) -> str:
    """The log has no gap, tells one end, and its text was never repeated where it was broken; returns that text."""
    assert [stored.seq for stored in events] == list(range(1, len(events) + 1))
    assert [index for index, stored in enumerate(events, 1) if isinstance(stored.event, TurnEnded)] == [len(events)]
    text = ""
    seams: list[int] = []
    for stored in events:
        match stored.event:
            case TextDelta() as delta:
                text += delta.text
            case FailedOver(phase="mid_stream") as hop:
                assert hop.at_char == len(text), "a person has seen more, or less, than the model was told"
                seams.append(len(text))
            case Reset():
                text, seams = "", []
            case _:
                pass
    for seam in seams:
        assert_no_echo(text[:seam], text[seam:])
    return text


def assert_no_echo(shown: str, after: str) -> None:
    """What comes first after a seam is neither the answer from its beginning nor its last words again.

    White space before an echo does not hide it. Echoes behind other characters, such as a colon, are not looked for.
    """
    shown, after = shown.rstrip(), after.lstrip()
    assert not after.startswith(shown[:_TELLING_CHARS])
    sizes = range(_TELLING_CHARS, min(len(shown), len(after)) + 1)
    assert [after[:size] for size in sizes if shown.endswith(after[:size])] == []
