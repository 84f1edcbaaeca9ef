"""Faults on purpose: a scripted provider that fails over real sockets, exactly when and how a script says.

Nothing here is used by a running server; it is what tests, `python -m yaoki.faults provider` and chaos runs stand on.
"""

from yaoki.faults.provider import Recorded, ScriptedProvider
from yaoki.faults.script import ANSWER, BEHAVIOURS, Behaviour, ChatRequest, Script
from yaoki.faults.table import FAULTS, Fault

__all__ = [
    "ANSWER",
    "BEHAVIOURS",
    "FAULTS",
    "Behaviour",
    "ChatRequest",
    "Fault",
    "Recorded",
    "Script",
    "ScriptedProvider",
]
