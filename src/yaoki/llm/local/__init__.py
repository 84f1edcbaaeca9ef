"""Embedded models: each in a process of its own, supervised, and gone with its parent.

Names are imported when somebody first asks for them: the model's own process and the command line want none of the
chain's imports.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yaoki.llm.local.model import LocalModel, ModelState
    from yaoki.llm.local.notices import LocalModelLost, LocalModelReady
    from yaoki.llm.local.policy import LocalModelPolicy
    from yaoki.llm.local.upstream import LocalUpstream

__all__ = ["LocalModel", "LocalModelLost", "LocalModelPolicy", "LocalModelReady", "LocalUpstream", "ModelState"]

_HOMES = {
    "LocalModel": "model",
    "LocalModelLost": "notices",
    "LocalModelPolicy": "policy",
    "LocalModelReady": "notices",
    "LocalUpstream": "upstream",
    "ModelState": "model",
}


def __getattr__(name: str) -> object:
    """Import `name` from its home, once."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - the model's own process does without

    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
