from pathlib import Path

import pytest

from yaoki.llm.local import weights


@pytest.fixture
def weights_file() -> Path:
    """The real weights, as `yaoki models install` put them."""
    return weights.require(weights.SMOLLM2, None)
