"""Random streams, judged by the promises. `python -m tests.streams --only SEED` plays one again."""

import pytest

from tests.faults.seeds import seeded
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
@pytest.mark.parametrize("part", range(4))
def test_no_stream_of_a_new_seed_ends_in_a_lie(part: int) -> None:
    seed = seeded().randrange(10**9) + part * CHUNK
    assert run(range(seed, seed + CHUNK)).broken == {}
