"""Fakes for tests of code that uses Yaoki. They follow the same contracts as the real ones."""

from yaoki.testing.budget import FakeBudget
from yaoki.testing.clock import FakeClock
from yaoki.testing.dependency import FakeDependency
from yaoki.testing.notices import Heard

__all__ = ["FakeBudget", "FakeClock", "FakeDependency", "Heard"]
