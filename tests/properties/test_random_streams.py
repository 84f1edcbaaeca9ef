"""Random streams, judged by the promises. `python -m tests.streams --only SEED` plays one again."""

import pytest

from tests.streams.runs import run
from tests.streams.scenario import FACES, Face

CHUNK = 100


@pytest.mark.requirement("P-2", "P-3", "P-7")
@pytest.mark.parametrize("face", FACES)
def test_no_stream_ends_in_a_lie(face: Face) -> None:
    """The same few for every change."""
    assert run(range(1, 25 if face == "agent" else 61), face).broken == {}


@pytest.mark.slow
@pytest.mark.requirement("P-2", "P-3", "P-7")
@pytest.mark.parametrize("first", range(1_001, 2_001, CHUNK))
def test_none_of_a_thousand_ends_in_a_lie(first: int) -> None:
    """Of the ten thousand that `docs/benchmarks/streams.md` tells of."""
    assert run(range(first, first + CHUNK)).broken == {}
