"""The closed vocabularies an error is described with."""

from enum import StrEnum


class AIErrorCategory(StrEnum):
    """The nine families of the tree; the part of a kind before the dot."""

    MODEL = "model"
    AGENT = "agent"
    SESSION = "session"
    VOICE = "voice"
    MEMORY = "memory"
    SECURITY = "security"
    RESOURCE = "resource"
    COMMUNICATION = "communication"
    CONFIGURATION = "configuration"


class AIErrorSeverity(StrEnum):
    """How much of a failure reaches people."""

    LOW = "low"  # healed or retried unseen
    MEDIUM = "medium"  # the user sees a change
    HIGH = "high"  # a turn failed
    CRITICAL = "critical"  # sessions or data at risk


class Fault(StrEnum):
    """Whose fault it is. Only a dependency's fault counts against the dependency."""

    CALLER = "caller"
    OURS = "ours"
    DEPENDENCY = "dependency"


class AIRecoveryStrategy(StrEnum):
    """What may heal an error, tried in the order that its kind lists them."""

    RETRY = "retry"
    FAILOVER = "failover"
    CONTINUE = "continue"
    CACHED = "cached"
    DEGRADE = "degrade"
    RECONNECT = "reconnect"
    RESTORE_SESSION = "restore_session"
    TEXT_FALLBACK = "text_fallback"
    COMPACT_CONTEXT = "compact_context"
    REFRESH_CREDENTIALS = "refresh_credentials"
    QUARANTINE = "quarantine"
    SHED = "shed"
    ESCALATE = "escalate"
    NONE = "none"
