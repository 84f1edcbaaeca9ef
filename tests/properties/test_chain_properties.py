"""A chain over any mix of faults, limits, filters, small windows and refused keys: one honest end, and nothing held."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.llm.fakes import Told, candidate
from yaoki.errors import (
    AgentTurnBudgetSpentError,
    AIOrchestrationError,
    ModelAllFailedError,
    ModelAuthenticationError,
    ModelContextOverflowError,
    ModelMalformedError,
    ModelOverloadedError,
    ModelQuotaExceededError,
    ModelTruncatedError,
    ModelUnavailableError,
)
from yaoki.llm.chain.attempt import About
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.chain import Chain, ChainPolicy
from yaoki.llm.deltas import Compaction, Delta, Finish, HalfAnswer, Text
from yaoki.llm.upstreams.keys import KeyedUpstream

WHOLE = "Seven ships passed by night, four flags were seen, and one of them asked who we were before it turned away."
WORDS = [f"{' ' if at else ''}{word}" for at, word in enumerate(WHOLE.split())]
ENDS = ("cut", "length", "filtered", "down", "overloaded", "refused_key", "spent_key", "garbage")
ERRORS: dict[str, type[AIOrchestrationError]] = {
    "cut": ModelTruncatedError,
    "down": ModelUnavailableError,
    "overloaded": ModelOverloadedError,
    "refused_key": ModelAuthenticationError,
    "spent_key": ModelQuotaExceededError,
    "garbage": ModelMalformedError,
}
STEP = st.tuples(st.integers(0, len(WORDS)), st.sampled_from((*ENDS, "stop", "stop")))
SCRIPT = st.lists(STEP, min_size=1, max_size=4)


class Reciter:
    """Knows the whole text by heart, goes on wherever it is asked to, and fails as its script says."""

    def __init__(self, script: list[tuple[int, str]], window: int) -> None:
        self.script = list(script)
        self.window = window
        self.open = self.asked = 0

    async def stream(self, request: int, half: HalfAnswer | None) -> AsyncGenerator[Delta, None]:
        self.asked += 1
        self.open += 1
        try:
            if request > self.window:
                raise ModelContextOverflowError("too long")
            words, end = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            rest = WHOLE[len(half.text) :] if half else WHOLE
            for word in WORDS[: words if end != "stop" else None]:
                if not rest:
                    break
                piece, rest = rest[: len(word)], rest[len(word) :]
                yield Text(piece)
            if end == "stop":
                yield Text(rest)
                yield Finish("stop")
            elif end in ("length", "filtered"):
                yield Finish("length" if end == "length" else "content_filter")
            else:
                raise ERRORS[end](end)
        finally:
            self.open -= 1

    async def honours_prefill(self) -> bool:
        return True

    async def ping(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in which nobody waits: its time jumps to whatever is due next."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead_s = 0.0
        selector: Any = self._selector  # type: ignore[attr-defined]
        select = selector.select

        def jump(timeout: float | None) -> Any:
            self._ahead_s += max(0.0, timeout or 0.0)
            return select(0)

        selector.select = jump

    def time(self) -> float:
        return super().time() + self._ahead_s


@given(
    scripts=st.lists(st.lists(SCRIPT, min_size=1, max_size=2), min_size=1, max_size=3),
    windows=st.lists(st.integers(1, 4), min_size=3, max_size=3),
    goes_on=st.booleans(),
    elsewhere=st.one_of(st.none(), SCRIPT),
    attempts=st.integers(1, 8),
    stops_after=st.one_of(st.none(), st.integers(0, 12)),
)
@settings(max_examples=250, deadline=None)
def test_any_mix_of_ends(
    scripts: list[list[list[tuple[int, str]]]],
    windows: list[int],
    goes_on: bool,
    elsewhere: list[tuple[int, str]] | None,
    attempts: int,
    stops_after: int | None,
) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(_one(scripts, windows, goes_on, elsewhere, attempts, stops_after))


async def _one(
    scripts: list[list[list[tuple[int, str]]]],
    windows: list[int],
    goes_on: bool,
    elsewhere: list[tuple[int, str]] | None,
    attempts: int,
    stops_after: int | None,
) -> None:
    reciters = [[Reciter(script, window) for script in keys] for keys, window in zip(scripts, windows, strict=False)]
    candidates = [
        candidate("abc"[at], KeyedUpstream(keys) if len(keys) > 1 else keys[0], threshold=3)  # type: ignore[arg-type]
        for at, keys in enumerate(reciters)
    ]
    other = Reciter(elsewhere, 9) if elsewhere else None
    on_filter = candidate("other", other) if other else None  # type: ignore[arg-type]
    policy = ChainPolicy(on_output_limit="continue" if goes_on else "say")
    chain = Chain(candidates, policy=policy, on_filter=on_filter, rng=random.Random(1))
    budget = TurnBudget(60.0, attempts)
    told, sizes = Told(), iter((2, 1))

    def shrink() -> tuple[int, int] | None:
        size = next(sizes, None)
        return None if size is None else (size, 3 - size)

    error: AIOrchestrationError | None = None
    about = About(may_go_on=True, shrink=shrink)
    try:
        async with aclosing(chain.stream(3, budget, about=about)) as items:
            async for item in items:
                told.items.append(item)
                if stops_after is not None and len(told.items) > stops_after:
                    return
    except (ModelAllFailedError, AgentTurnBudgetSpentError) as raised:
        error = raised
    finally:
        await chain.aclose()
        everybody = [reciter for keys in reciters for reciter in keys] + ([other] if other else [])
        assert sum(reciter.open for reciter in everybody) == 0
        assert sum(reciter.asked for reciter in everybody) <= budget.requests <= attempts
        assert all(one.bearable for one in [*candidates, *([on_filter] if on_filter else [])])
    finishes = told.of(Finish)
    assert WHOLE.startswith(told.text)
    assert (len(finishes), error is None) in ((1, True), (0, False))
    if finishes:
        assert told.items[-1] is finishes[0]
        assert finishes[0].reason != "stop" or told.text == WHOLE
    assert len(told.of(Compaction)) <= 2
