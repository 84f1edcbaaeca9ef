"""The façade: everything that a way in may ask for, in one place."""

from yaoki.orchestrator.orchestrator import Orchestrator
from yaoki.orchestrator.readiness import Readiness

__all__ = ["Orchestrator", "Readiness"]
