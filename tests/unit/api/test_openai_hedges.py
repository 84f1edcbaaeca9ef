"""The base URL where a late first token lets the next model answer."""

from pathlib import Path

import pytest

from tests.unit.api.openai import chunks, faced
from tests.unit.llm.fakes import FakeUpstream, hold, says
from yaoki.llm.chain.health import ENOUGH_FOR_A_TAIL
from yaoki.llm.deltas import Finish, Text, Usage

QUICK = says("Seven ships.")


@pytest.mark.requirement("M9")
@pytest.mark.parametrize("streamed", [False, True])
async def test_who_is_first_answers_and_both_prompts_are_counted(tmp_path: Path, streamed: bool) -> None:
    late = FakeUpstream(*[QUICK] * ENOUGH_FOR_A_TAIL, [hold])
    other = FakeUpstream([Text("Seven "), Text("ships."), Usage(9, 3), Finish("stop")])
    async with faced(tmp_path, late, other, hedge_share=1.0, move_back_s=0.0) as face:
        while late.scripts[0] is QUICK:
            assert (await face.ask()).status_code == 200
        asked_before = len(other.asked)
        answer = await face.ask(stream=streamed)
    body = chunks(answer)[-1] if streamed else answer.json()
    assert (body["yaoki"]["models"], body["yaoki"]["failovers"]) == (["b"], [])
    spending = body["yaoki"]["spending"]
    assert (spending["requests"], spending["input_tokens"]) == (2, 9 + spending["estimated_tokens"])
    assert spending["estimated_tokens"] > 0
    assert (len(other.asked), late.open) == (asked_before + 1, 0)
