"""What happens to embedded models, for whoever listens."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LocalModelReady:
    """A process answers. `seconds`: from its spawn until then."""

    model: str
    pid: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LocalModelLost:
    """A process ended, froze or never came up. `respawn_in_s`: seconds until the next one is spawned."""

    model: str
    reason: str
    respawn_in_s: float
