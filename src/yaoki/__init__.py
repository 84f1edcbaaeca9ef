"""AI agents that survive.

The package is a table: a name is imported from its home when somebody first asks for it, so `import yaoki` itself costs
next to nothing. Yaoki's own modules never import from here.

    >>> from yaoki import ModelTruncatedError
    >>> ModelTruncatedError("the stream ended early").kind
    'model.truncated'

A name whose extra is not installed raises `ConfigurationMissingExtraError`, which says what to install.
"""

TYPE_CHECKING = False  # type checkers take it for typing's own, whose import would cost more than this whole module

# home → the extra that it needs (none: comes with `pip install yaoki`) and the names it gives
_HOMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "yaoki.errors": (
        "",
        (
            "AIErrorCategory",
            "AIErrorContext",
            "AIErrorSeverity",
            "AIOrchestrationError",
            "AIRecoveryStrategy",
            "AgentCancelledError",
            "AgentExecutionError",
            "AgentParkedError",
            "AgentToolArgumentsError",
            "AgentToolFailedError",
            "AgentToolLoopError",
            "AgentToolNotFoundError",
            "AgentToolOutcomeUnknownError",
            "AgentToolServerUnavailableError",
            "AgentToolTimeoutError",
            "AgentTurnBudgetSpentError",
            "CLASS_OF",
            "CommunicationConnectionLostError",
            "CommunicationError",
            "CommunicationProtocolError",
            "CommunicationResumeImpossibleError",
            "CommunicationRoomUnavailableError",
            "CommunicationSlowConsumerError",
            "CommunicationTimeoutError",
            "CommunicationUnavailableError",
            "ConfigurationError",
            "ConfigurationMissingExtraError",
            "ConfigurationSettingError",
            "ConfigurationUnknownModelError",
            "Fault",
            "KINDS",
            "Kind",
            "MemoryCorruptedError",
            "MemoryOperationError",
            "MemoryUnavailableError",
            "ModelAllFailedError",
            "ModelAuthenticationError",
            "ModelContextOverflowError",
            "ModelEmptyError",
            "ModelFilteredError",
            "ModelInferenceError",
            "ModelMalformedError",
            "ModelNotFoundError",
            "ModelOutputLimitError",
            "ModelOverloadedError",
            "ModelQuotaExceededError",
            "ModelRateLimitedError",
            "ModelTimeoutError",
            "ModelTruncatedError",
            "ModelUnavailableError",
            "Nature",
            "Record",
            "ResourceBreakerOpenError",
            "ResourceBulkheadFullError",
            "ResourceManagementError",
            "ResourceOverloadedError",
            "ResourceRateLimitedError",
            "SecurityForbiddenError",
            "SecurityInputRejectedError",
            "SecurityTaintedActionError",
            "SecurityToolDefinitionChangedError",
            "SecurityUnauthenticatedError",
            "SecurityValidationError",
            "SessionClosedError",
            "SessionConflictError",
            "SessionCorruptedError",
            "SessionManagementError",
            "SessionNotFoundError",
            "SessionStoreUnavailableError",
            "VoiceDeadAirError",
            "VoiceProcessingError",
            "VoiceRecognitionError",
            "VoiceSynthesisError",
            "VoiceUnavailableError",
            "bind",
            "classify",
            "current",
            "kind_of",
            "log_record",
            "problem",
            "register",
            "status_of",
        ),
    ),
    "yaoki.resilience": (
        "",
        (
            "BREAKER_BREAK_S",
            "BREAKER_THRESHOLD",
            "BULKHEAD_MAX_CONCURRENT",
            "Backoff",
            "BreakerClosed",
            "BreakerHalfOpened",
            "BreakerIsolated",
            "BreakerOpened",
            "BreakerPolicy",
            "BreakerState",
            "Budget",
            "Bulkhead",
            "BulkheadPolicy",
            "BulkheadRejected",
            "CallEnded",
            "CircuitBreaker",
            "Clock",
            "FALLBACK_MODELS",
            "Fallback",
            "FellBack",
            "GUARDS",
            "Guard",
            "Guards",
            "Notices",
            "Permit",
            "RETRY_DELAY_S",
            "RETRY_FACTOR",
            "RETRY_MAX_ATTEMPTS",
            "Registry",
            "Retry",
            "RetryBudget",
            "RetryBudgetPolicy",
            "RetryPolicy",
            "RetryScheduled",
            "SYSTEM_CLOCK",
            "Scheduler",
            "StreamLimits",
            "Timeout",
            "Verdict",
            "ambient_budget",
            "spending",
            "verdict_of",
        ),
    ),
    "yaoki.recovery": (
        "",
        (
            "AIRecoveryManager",
            "AttemptReport",
            "Case",
            "ComprehensiveReport",
            "Degraded",
            "RECOVERY_MAX_ATTEMPTS",
            "RECOVERY_WITHIN_S",
            "Recoverable",
            "RecoveryEnded",
            "RecoveryPolicy",
            "RecoveryReport",
            "ai_recovery_manager",
            "handle_ai_errors",
        ),
    ),
    "yaoki.integrations.pydantic_ai": (
        "chain",
        (
            "Resilience",
            "RunLimits",
            "resilient",
        ),
    ),
    "yaoki.llm.chain.budget": (
        "chain",
        ("TurnBudget",),
    ),
    "yaoki.llm.chain.candidates": (
        "chain",
        (
            "Candidate",
            "CandidatePolicy",
        ),
    ),
    "yaoki.llm.chain.chain": (
        "chain",
        (
            "Chain",
            "ChainPolicy",
        ),
    ),
    "yaoki.llm.chain_model": (
        "chain",
        ("ChainModel",),
    ),
    "yaoki.llm.upstreams.upstreams": (
        "chain",
        ("openai_upstream",),
    ),
}

if TYPE_CHECKING:
    # The table once more, as type checkers read it; tests/architecture holds the two to each other.
    from yaoki.errors import *  # noqa: F403 - re-exports each name of its __all__
    from yaoki.integrations.pydantic_ai import Resilience as Resilience
    from yaoki.integrations.pydantic_ai import RunLimits as RunLimits
    from yaoki.integrations.pydantic_ai import resilient as resilient
    from yaoki.llm.chain.budget import TurnBudget as TurnBudget
    from yaoki.llm.chain.candidates import Candidate as Candidate
    from yaoki.llm.chain.candidates import CandidatePolicy as CandidatePolicy
    from yaoki.llm.chain.chain import Chain as Chain
    from yaoki.llm.chain.chain import ChainPolicy as ChainPolicy
    from yaoki.llm.chain_model import ChainModel as ChainModel
    from yaoki.llm.upstreams.upstreams import openai_upstream as openai_upstream
    from yaoki.recovery import *  # noqa: F403 - re-exports each name of its __all__
    from yaoki.resilience import *  # noqa: F403 - re-exports each name of its __all__
else:
    _HOME_OF = {name: home for home, (_, names) in _HOMES.items() for name in names}
    __all__ = list(_HOME_OF)

    def __getattr__(name: str) -> object:
        """Import `name` from its home, once."""
        if name not in _HOME_OF:
            raise AttributeError(f"module 'yaoki' has no attribute {name!r}")
        value = globals()[name] = getattr(_import(_HOME_OF[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME_OF})

    def _import(home: str) -> object:
        from importlib import import_module

        try:
            return import_module(home)
        except ModuleNotFoundError as missing:
            extra, _ = _HOMES[home]
            if not extra or (missing.name or "").startswith("yaoki"):
                raise
            from yaoki.errors import ConfigurationMissingExtraError

            message = f"{home} needs the extra {extra!r}: pip install 'yaoki[{extra}]'"
            raise ConfigurationMissingExtraError(message, extra=extra, missing=missing.name) from missing
