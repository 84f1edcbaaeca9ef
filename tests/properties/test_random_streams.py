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
@pytest.mark.parametrize("part", range(1, 5))
def test_no_stream_of_some_hundreds_ends_in_a_lie(part: int) -> None:
    """New seeds are for `python -m tests.streams`: its page says what they find, and no change is to blame for it."""
    assert run(range(part * CHUNK, (part + 1) * CHUNK)).broken == {}
