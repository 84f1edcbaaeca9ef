"""Faults on purpose, over real sockets, exactly when and how a script says.

A scripted provider that goes wrong, and a proxy that breaks the connection to anything else.

Nothing here is used by a running server; it is what tests, `python -m yaoki.faults` and chaos runs stand on.
"""

from yaoki.faults.link import HEALTHY, Lane, Link
from yaoki.faults.provider import Recorded, ScriptedProvider
from yaoki.faults.proxy import FaultProxy
from yaoki.faults.script import ANSWER, BEHAVIOURS, Behaviour, ChatRequest, Script
from yaoki.faults.table import FAULTS, Fault

__all__ = [
    "ANSWER",
    "BEHAVIOURS",
    "FAULTS",
    "HEALTHY",
    "Behaviour",
    "ChatRequest",
    "Fault",
    "FaultProxy",
    "Lane",
    "Link",
    "Recorded",
    "Script",
    "ScriptedProvider",
]
