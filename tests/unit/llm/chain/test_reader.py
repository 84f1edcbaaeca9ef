"""The reader, in virtual time: deadlines that only life extends, and nothing that is left behind."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

import pytest

from tests.streams.virtual_time import LoopClock, VirtualLoop
from tests.unit.llm.fakes import hold
from yaoki.errors import ModelMalformedError, ModelTimeoutError
from yaoki.llm.chain.candidates import CandidatePolicy
from yaoki.llm.chain.output_guard import OutputGuard
from yaoki.llm.chain.reader import Reader, Stragglers
from yaoki.llm.deltas import Delta, Finish, Reasoning, Text, ToolCallPiece

T = TypeVar("T")
POLICY = CandidatePolicy(first_token_timeout_s=0.1, idle_timeout_s=0.05)


async def stream(*lines: Delta | float | None) -> AsyncGenerator[Delta, None]:
    """Deltas, pauses in seconds, or None to wait for ever."""
    for line in lines:
        if line is None:
            await hold()
        elif isinstance(line, float):
            await asyncio.sleep(line)
        else:
            yield line


def reader(*lines: Delta | float | None, policy: CandidatePolicy = POLICY, total_s: float = 10.0) -> Reader:
    guard = OutputGuard(policy.max_output_tokens, shown=True)
    return Reader(stream(*lines), guard, policy, total_s, Stragglers(), clock=LoopClock())


def read(*lines: Delta | float | None, frozen_s: float = 0.0, **limits: Any) -> list[Delta]:
    """What a reader hands out; its process stands still for `frozen_s` seconds, soon after the beginning."""

    async def taken() -> list[Delta]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.call_later(0.01, loop.stall, frozen_s)
        async with reader(*lines, **limits) as one:
            return [delta async for delta in one]

    return in_virtual_time(taken())


def in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


@pytest.mark.requirement("M9")
def test_no_life_at_all_is_a_first_token_timeout() -> None:
    with pytest.raises(ModelTimeoutError) as passed:
        read(None)
    assert passed.value.facts["fault"] == "first_token"


@pytest.mark.requirement("P8")
def test_our_own_freeze_is_not_the_models_silence() -> None:
    assert read(Text("a"), 0.02, Text("b"), frozen_s=0.4) == [Text("a"), Text("b")]


@pytest.mark.requirement("P8", "M10")
def test_a_freeze_saves_no_silent_model() -> None:
    with pytest.raises(ModelTimeoutError) as passed:
        read(Text("a"), None, frozen_s=0.4)
    assert passed.value.facts["fault"] == "idle"


@pytest.mark.requirement("M17")
def test_whoever_is_too_busy_to_wait_hears_of_the_deadline_all_the_same() -> None:
    async def busy() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with reader(*[part for _ in range(1_000) for part in (Reasoning("Hm. "), 0.01)], total_s=0.5) as one:
            async for _ in one:
                await asyncio.sleep(0.02)
                assert loop.time() - began < 1.0

    with pytest.raises(ModelTimeoutError) as passed:
        in_virtual_time(busy())
    assert passed.value.facts["fault"] == "total"


@pytest.mark.requirement("M10")
def test_no_more_life_is_an_idle_timeout() -> None:
    with pytest.raises(ModelTimeoutError) as passed:
        read(Text("a"), None)
    assert passed.value.facts["fault"] == "idle"


@pytest.mark.requirement("M10")
@pytest.mark.parametrize("life", [Text("more words"), Reasoning("more thought"), ToolCallPiece(9)])
def test_every_sign_of_life_extends_the_deadline(life: Delta) -> None:
    lines = [part for _ in range(6) for part in (life, 0.03)]
    assert len(read(*lines, Finish("stop"))) > 1


@pytest.mark.requirement("M10", "M17")
@pytest.mark.parametrize("blank", [Text(" "), Text("\n\n"), Text("\u200b"), Text(""), Reasoning(" ")])
@pytest.mark.parametrize("before,phase", [((), "first_token"), ((Text("a"),), "idle")])
def test_blanks_are_no_life(blank: Delta, before: tuple[Delta, ...], phase: str) -> None:
    with pytest.raises(ModelTimeoutError) as passed:
        read(*before, *[part for _ in range(60) for part in (blank, 0.01)])
    assert passed.value.facts["fault"] == phase


@pytest.mark.requirement("M10")
def test_a_deadline_that_fires_while_something_is_handed_out_is_not_forgotten() -> None:
    with pytest.raises(ModelTimeoutError) as passed:
        read(0.01, Text(" "), None, frozen_s=0.095)
    assert passed.value.facts["fault"] == "first_token"


@pytest.mark.requirement("M10")
def test_life_without_end_meets_the_total_deadline() -> None:
    lines = [part for _ in range(100) for part in (Text("word "), 0.02)]
    with pytest.raises(ModelTimeoutError) as passed:
        read(*lines, total_s=0.1)
    assert passed.value.facts["fault"] == "total"


@pytest.mark.requirement("M10")
def test_a_text_that_drips_is_not_waited_for() -> None:
    drip = [part for _ in range(100) for part in (Text("a"), 4.0)]
    with pytest.raises(ModelTimeoutError) as passed:
        read(*drip, policy=CandidatePolicy(first_token_timeout_s=10.0, idle_timeout_s=5.0), total_s=1_000.0)
    assert passed.value.facts["fault"] == "drip"


def test_neighbours_that_came_meanwhile_are_one() -> None:
    async def late() -> list[Delta]:
        async with reader(Text("a"), Text("b"), Reasoning("c"), Text("d"), Text("e"), Finish("stop")) as one:
            await asyncio.sleep(0.01)
            return [delta async for delta in one]

    assert in_virtual_time(late()) == [Text("ab"), Reasoning("c"), Text("de"), Finish("stop")]


def test_a_slow_consumer_is_not_the_upstreams_silence() -> None:
    async def slowly() -> int:
        count = 0
        async with reader(Text("a"), Reasoning("b"), Finish("stop")) as one:
            async for _ in one:
                count += 1
                await asyncio.sleep(0.1)
        return count

    assert in_virtual_time(slowly()) == 3


@pytest.mark.requirement("M17")
def test_too_much_text_ends_with_length() -> None:
    policy = CandidatePolicy(max_output_tokens=1)
    assert read(Text("123456789"), None, policy=policy)[-1] == Finish("length")


@pytest.mark.requirement("M17")
def test_too_much_thought_is_a_fault() -> None:
    with pytest.raises(ModelMalformedError):
        read(Reasoning("123456789"), None, policy=CandidatePolicy(max_output_tokens=1))


def test_the_first_sign_of_life_is_timed() -> None:
    async def timed() -> float | None:
        async with reader(0.02, Text("a"), Finish("stop")) as one:
            assert [delta async for delta in one]
        return one.first_token_s

    assert in_virtual_time(timed()) == pytest.approx(0.02)


@pytest.mark.requirement("M10")
def test_silence_soon_after_the_first_token_is_not_borne_until_that_tokens_deadline() -> None:
    policy = CandidatePolicy(first_token_timeout_s=30.0, idle_timeout_s=2.0)

    async def stalls() -> float:
        began = asyncio.get_running_loop().time()
        async with reader(1.0, Text("a"), None, policy=policy, total_s=60.0) as one:
            assert await anext(one) == Text("a")
            with pytest.raises(ModelTimeoutError) as passed:
                await anext(one)
        assert passed.value.facts["fault"] == "idle"
        return asyncio.get_running_loop().time() - began

    assert in_virtual_time(stalls()) == pytest.approx(3.0, abs=0.1)
