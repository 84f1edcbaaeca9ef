"""Recovery: the decorator for any function, and the manager that heals what failed."""

from yaoki.recovery.case import Case
from yaoki.recovery.comprehensive import ComprehensiveReport, Recoverable
from yaoki.recovery.decorator import handle_ai_errors
from yaoki.recovery.error_recovery import (
    RECOVERY_MAX_ATTEMPTS,
    RECOVERY_WITHIN_S,
    AIRecoveryManager,
    RecoveryPolicy,
    ai_recovery_manager,
)
from yaoki.recovery.reports import AttemptReport, Degraded, RecoveryEnded, RecoveryReport

__all__ = [
    "RECOVERY_MAX_ATTEMPTS",
    "RECOVERY_WITHIN_S",
    "AIRecoveryManager",
    "AttemptReport",
    "Case",
    "ComprehensiveReport",
    "Degraded",
    "Recoverable",
    "RecoveryEnded",
    "RecoveryPolicy",
    "RecoveryReport",
    "ai_recovery_manager",
    "handle_ai_errors",
]
