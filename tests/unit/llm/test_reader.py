"""The reader: deadlines that only life extends, and nothing that is left behind."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.unit.llm.fakes import hold
from yaoki.errors import ModelMalformedError, ModelTimeoutError
from yaoki.llm.candidates import CandidatePolicy
from yaoki.llm.deltas import Delta, Finish, Reasoning, Text, ToolCallPiece
from yaoki.llm.output_guard import OutputGuard
from yaoki.llm.reader import Reader, Stragglers
from yaoki.resilience.clock import SYSTEM_CLOCK

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
    return Reader(stream(*lines), guard, policy, total_s, Stragglers())


async def read(one: Reader) -> list[Delta]:
    async with one:
        return [delta async for delta in one]


@pytest.mark.requirement("M9")
async def test_no_life_at_all_is_a_first_token_timeout() -> None:
    with pytest.raises(ModelTimeoutError) as passed:
        await read(reader(None))
    assert passed.value.facts["fault"] == "first_token"


def freeze(seconds: float) -> None:
    """Nothing runs in this process for a while, as under SIGSTOP."""
    until = SYSTEM_CLOCK.monotonic() + seconds
    while SYSTEM_CLOCK.monotonic() < until:
        pass


@pytest.mark.requirement("P8")
async def test_our_own_freeze_is_not_the_models_silence() -> None:
    asyncio.get_running_loop().call_later(0.01, freeze, 0.4)
    assert await read(reader(Text("a"), 0.02, Text("b"))) == [Text("a"), Text("b")]


@pytest.mark.requirement("P8", "M10")
async def test_a_freeze_saves_no_silent_model() -> None:
    asyncio.get_running_loop().call_later(0.01, freeze, 0.4)
    with pytest.raises(ModelTimeoutError) as passed:
        await read(reader(Text("a"), None))
    assert passed.value.facts["fault"] == "idle"


@pytest.mark.requirement("M10")
async def test_no_more_life_is_an_idle_timeout() -> None:
    with pytest.raises(ModelTimeoutError) as passed:
        await read(reader(Text("a"), None))
    assert passed.value.facts["fault"] == "idle"


@pytest.mark.requirement("M10")
@pytest.mark.parametrize("life", [Text("more words"), Reasoning("more thought"), ToolCallPiece(9)])
async def test_every_sign_of_life_extends_the_deadline(life: Delta) -> None:
    lines = [part for _ in range(6) for part in (life, 0.03)]
    assert len(await read(reader(*lines, Finish("stop")))) > 1


@pytest.mark.requirement("M10")
async def test_life_without_end_meets_the_total_deadline() -> None:
    lines = [part for _ in range(100) for part in (Text("word "), 0.02)]
    with pytest.raises(ModelTimeoutError) as passed:
        await read(reader(*lines, total_s=0.1))
    assert passed.value.facts["fault"] == "total"


@pytest.mark.requirement("M10")
async def test_a_text_that_drips_is_not_waited_for() -> None:
    drip = [part for _ in range(100) for part in (Text(""), 0.04)]
    with pytest.raises(ModelTimeoutError) as passed:
        await read(reader(*drip))
    assert passed.value.facts["fault"] == "drip"


async def test_neighbours_that_came_meanwhile_are_one() -> None:
    one = reader(Text("a"), Text("b"), Reasoning("c"), Text("d"), Text("e"), Finish("stop"))
    async with one:
        await asyncio.sleep(0.01)
        assert [delta async for delta in one] == [Text("ab"), Reasoning("c"), Text("de"), Finish("stop")]


async def test_a_slow_consumer_is_not_the_upstreams_silence() -> None:
    one = reader(Text("a"), Reasoning("b"), Finish("stop"))
    taken: list[Delta] = []
    async with one:
        async for delta in one:
            taken.append(delta)
            await asyncio.sleep(0.1)
    assert len(taken) == 3


@pytest.mark.requirement("M17")
async def test_too_much_text_ends_with_length() -> None:
    policy = CandidatePolicy(max_output_tokens=1)
    assert (await read(reader(Text("123456789"), None, policy=policy)))[-1] == Finish("length")


@pytest.mark.requirement("M17")
async def test_too_much_thought_is_a_fault() -> None:
    with pytest.raises(ModelMalformedError):
        await read(reader(Reasoning("123456789"), None, policy=CandidatePolicy(max_output_tokens=1)))


async def test_the_first_sign_of_life_is_timed() -> None:
    one = reader(0.02, Text("a"), Finish("stop"))
    await read(one)
    assert one.first_token_s is not None
    assert 0.01 < one.first_token_s < 5.0
