"""Answers that break off: the next model goes on from the last word that was shown."""

import pytest

from tests.faults.chain_bench import FAILOVER_S, Bench
from tests.faults.seeds import seeded
from yaoki.faults import ANSWER, FAULTS, Script

BROKEN = [fault.name for fault in FAULTS.values() if fault.row in ("M11", "M12", "M13", "M14") and not fault.whole]
NO_TEXT = {
    "cut_before_first_token",
    "reset_before_first_token",
    "cut_after_reasoning",
    "reset_after_reasoning",
    "error_event_first",
    "not_gzip",
    "length_too_short",
}
IGNORED = {"wrong_choices", "wrong_content"}
"""An event of another shape may be passed over: the stream that goes on around it is whole."""
UNREADABLE = [fault.name for fault in FAULTS.values() if fault.row in ("M11", "M12", "M14") and fault.whole]
CUTS = ["cut_mid_stream", "close_mid_stream", "reset_mid_stream", "error_event", "bad_json", "done_without_finish"]


@pytest.mark.requirement("M11", "M12", "M13", "M14", "P-2", "P-3")
@pytest.mark.parametrize("fault", [name for name in BROKEN if name not in IGNORED])
async def test_a_broken_answer_is_finished_by_the_next_model(fault: str) -> None:
    async with Bench(Script(fault=fault), Script()) as bench:
        told = await bench.ask()
    assert bench.first.fired[fault] == 1
    told.assert_whole(ANSWER, failovers=1)
    assert told.failovers[0].mid_stream == (fault not in NO_TEXT)
    assert len(told.continuations) == (fault not in NO_TEXT)
    assert bench.failover_s <= FAILOVER_S


@pytest.mark.requirement("M14")
@pytest.mark.parametrize("fault", sorted(IGNORED))
async def test_an_event_of_another_shape_costs_no_text(fault: str) -> None:
    async with Bench(Script(fault=fault), Script()) as bench:
        told = await bench.ask()
    assert bench.first.fired[fault] == 1
    told.assert_whole(ANSWER, failovers=len(told.failovers))
    assert len(told.failovers) <= 1


@pytest.mark.requirement("M11", "M12", "M14")
@pytest.mark.parametrize("fault", UNREADABLE)
async def test_a_connection_that_ends_without_an_answer_goes_to_the_next_model(fault: str) -> None:
    async with Bench(Script(fault=fault), Script()) as bench:
        told = await bench.ask()
    assert bench.first.fired[fault] == 1
    told.assert_whole(ANSWER, failovers=1)
    assert not told.failovers[0].mid_stream
    assert bench.failover_s <= FAILOVER_S


@pytest.mark.requirement("M11", "M12", "M13", "M14", "P-3")
@pytest.mark.parametrize("fault", CUTS)
async def test_a_cut_anywhere_neither_repeats_nor_loses_a_character(fault: str) -> None:
    rng = seeded()
    for _ in range(6):
        at = rng.randrange(len(ANSWER) + 1)
        async with Bench(Script(fault=fault, at=at), Script()) as bench:
            told = await bench.ask()
        assert bench.first.fired[fault] == 1, at
        told.assert_whole(ANSWER, failovers=1)


@pytest.mark.requirement("M11", "M12", "P-3")
async def test_a_second_cut_during_the_heal_is_healed_too() -> None:
    rng = seeded()
    for _ in range(6):
        faults = [rng.choice(CUTS) for _ in range(3)]
        ats = sorted(rng.randrange(len(ANSWER)) for _ in range(3))
        scripts = [
            Script(fault=fault, at=at - before) for fault, at, before in zip(faults, ats, [0, *ats], strict=False)
        ]
        async with Bench(*scripts, Script()) as bench:
            told = await bench.ask()
        assert [provider.fired.total() for provider in bench.providers] == [1, 1, 1, 0], (faults, ats)
        told.assert_whole(ANSWER, failovers=3)


@pytest.mark.requirement("M11", "P-3")
async def test_the_only_model_finishes_its_own_cut_answer() -> None:
    async with Bench(Script(fault="cut_mid_stream", times=1)) as bench:
        told = await bench.ask()
    told.assert_whole(ANSWER, failovers=0)
    assert bench.first.fired["cut_mid_stream"] == 1
    assert len(told.continuations) == 1


@pytest.mark.requirement("M11", "P-3")
async def test_an_answer_shown_before_a_crash_is_continued_from_any_word() -> None:
    rng = seeded()
    spaces = [at for at, character in enumerate(ANSWER) if character == " "]
    for at in rng.sample(spaces, 6):
        async with Bench(Script()) as bench:
            told = await bench.ask(resume_text=ANSWER[:at])
        assert told.output == ANSWER, at
        assert told.text == ANSWER[at:]
        assert told.finishes == ["stop"]
