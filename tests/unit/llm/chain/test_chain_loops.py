"""Loops on their way through the chain: the same words over and over end no answer, and nobody takes them up."""

import pytest

from tests.unit.llm.fakes import FakeUpstream, Told, candidate, hold, says
from yaoki.errors import ModelAllFailedError
from yaoki.llm.chain.chain import Chain
from yaoki.llm.deltas import Finish, Restart, Text


@pytest.mark.requirement("M17", "P-3")
async def test_nobody_goes_on_from_a_loop_that_was_shown() -> None:
    looping = FakeUpstream([Text("The first carries"), *[Text(" over and over")] * 300, hold])
    other = FakeUpstream(says("The first carries eleven crates."))
    told = await Told().hear(Chain([candidate("a", looping), candidate("b", other)]))
    [restart] = told.of(Restart)
    before = "".join(item.text for item in told.items[: told.items.index(restart)] if isinstance(item, Text))
    assert before.startswith("The first carries over and over")
    assert before.count("over and over") <= 8
    assert (told.text, other.asked) == ("The first carries eleven crates.", [None])


@pytest.mark.requirement("M17", "P-2")
async def test_a_loop_that_nobody_else_can_answer_for_is_told() -> None:
    looping = FakeUpstream([Text("The first carries"), *[Text(" over and over")] * 300, hold])
    told = Told()
    with pytest.raises(ModelAllFailedError):
        await told.hear(Chain([candidate("a", looping)]))
    assert not told.of(Finish)
    assert looping.open == 0


@pytest.mark.requirement("M17")
async def test_what_only_looks_like_a_loop_is_shown_to_its_end() -> None:
    rows = "| 0 | 0 |\n" * 100
    told = await Told().hear(
        Chain([candidate("a", FakeUpstream([Text(rows), Text("\nThat is all."), Finish("stop")]))])
    )
    assert told.text == f"{rows}\nThat is all."


@pytest.mark.requirement("M17", "P-3")
async def test_each_model_that_loops_is_begun_again_without() -> None:
    looping = [Text("The first carries"), *[Text(" over and over")] * 300, hold]
    upstreams = FakeUpstream(looping), FakeUpstream(looping), FakeUpstream(says("The first carries eleven crates."))
    told = await Told().hear(Chain([candidate(name, one) for name, one in zip("abc", upstreams, strict=True)]))
    assert told.text == "The first carries eleven crates."
    assert len(told.of(Restart)) == 2
