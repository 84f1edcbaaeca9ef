"""Chance in fault tests: every test that draws prints its seed, and `YAOKI_FAULT_SEED` brings a run back.

Elsewhere each run draws anew. Under `CI=true` each test has a seed of its own that stays the same, as Hypothesis has it
there: what turns red is then what the change did.
"""

import os
import random
import zlib

SEED_VARIABLE = "YAOKI_FAULT_SEED"
SEEDS = 1_000_000


def seeded() -> random.Random:
    """A source of chance for one test; pytest shows the seed when the test fails."""
    seed = int(os.environ.get(SEED_VARIABLE) or _drawn())
    print(f"{SEED_VARIABLE}={seed}")
    return random.Random(seed)


def _drawn() -> int:
    if os.environ.get("CI") == "true":
        return zlib.crc32(os.environ["PYTEST_CURRENT_TEST"].partition(" (")[0].encode()) % SEEDS
    return random.SystemRandom().randrange(SEEDS)
