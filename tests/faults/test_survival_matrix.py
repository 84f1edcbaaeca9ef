"""The survival matrix at work: every subject of our own environment, at one cut and at one odd stream."""

import sys
from pathlib import Path

import pytest

from bench.survival import matrix
from bench.survival.stage import cases
from bench.survival.subjects import SUBJECTS
from yaoki.faults import FAULTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

EXPECTED = {
    "yaoki-v1-streamed": "completed",
    "yaoki-v1": "completed",
    "yaoki-agent-streamed": "completed",
    "yaoki-agent": "completed",
    "fallback-model": "passed off",
    "openai-sdk": "passed off",
}


@pytest.mark.requirement("M11", "M28", "P-2")
@pytest.mark.parametrize("name", EXPECTED)
async def test_the_matrix_tells_a_completed_answer_from_one_that_was_passed_off(name: str) -> None:
    subject = SUBJECTS[name]
    assert subject.python() == Path(sys.executable)
    results = await matrix.run(subject, cases([FAULTS["cut_mid_stream"], FAULTS["crlf"]], ["honour"]))
    assert [result.verdict for result in results] == [EXPECTED[name], "fine"]
