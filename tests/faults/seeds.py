"""Chance in fault tests: every test that draws prints its seed, and `YAOKI_FAULT_SEED` brings a run back."""

import os
import random

SEED_VARIABLE = "YAOKI_FAULT_SEED"


def seeded() -> random.Random:
    """A source of chance for one test; pytest shows the seed when the test fails."""
    seed = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(1_000_000))
    print(f"{SEED_VARIABLE}={seed}")
    return random.Random(seed)
