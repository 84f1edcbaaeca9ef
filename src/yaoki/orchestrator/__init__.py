"""The façade behind HTTP, the command line and voice: sessions and their messages."""

from yaoki.orchestrator.orchestrator import Orchestrator
from yaoki.orchestrator.readiness import Readiness

__all__ = ["Orchestrator", "Readiness"]
