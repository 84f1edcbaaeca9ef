"""The tree of errors. One class per kind; what a kind means is in `kinds.py`.

AIOrchestrationError
├── ModelInferenceError
│   ├── ModelUnavailableError
│   ├── ModelTimeoutError
│   ├── ModelRateLimitedError
│   ├── ModelQuotaExceededError
│   ├── ModelOverloadedError
│   ├── ModelTruncatedError
│   ├── ModelMalformedError
│   ├── ModelEmptyError
│   ├── ModelFilteredError
│   ├── ModelOutputLimitError
│   ├── ModelContextOverflowError
│   ├── ModelAuthenticationError
│   ├── ModelNotFoundError
│   └── ModelAllFailedError
├── AgentExecutionError
│   ├── AgentToolFailedError
│   ├── AgentToolTimeoutError
│   ├── AgentToolOutcomeUnknownError
│   ├── AgentToolNotFoundError
│   ├── AgentToolArgumentsError
│   ├── AgentToolLoopError
│   ├── AgentToolServerUnavailableError
│   ├── AgentTurnBudgetSpentError
│   ├── AgentCancelledError
│   └── AgentParkedError
├── SessionManagementError
│   ├── SessionNotFoundError
│   ├── SessionCorruptedError
│   ├── SessionConflictError
│   ├── SessionClosedError
│   └── SessionStoreUnavailableError
├── VoiceProcessingError
│   ├── VoiceRecognitionError
│   ├── VoiceSynthesisError
│   ├── VoiceUnavailableError
│   └── VoiceDeadAirError
├── MemoryOperationError
│   ├── MemoryUnavailableError
│   └── MemoryCorruptedError
├── SecurityValidationError
│   ├── SecurityUnauthenticatedError
│   ├── SecurityForbiddenError
│   ├── SecurityInputRejectedError
│   ├── SecurityToolDefinitionChangedError
│   └── SecurityTaintedActionError
├── ResourceManagementError
│   ├── ResourceBreakerOpenError
│   ├── ResourceBulkheadFullError
│   ├── ResourceRateLimitedError
│   └── ResourceOverloadedError
├── CommunicationError
│   ├── CommunicationConnectionLostError
│   ├── CommunicationTimeoutError
│   ├── CommunicationUnavailableError
│   ├── CommunicationSlowConsumerError
│   ├── CommunicationProtocolError
│   ├── CommunicationRoomUnavailableError
│   └── CommunicationResumeImpossibleError
└── ConfigurationError
    ├── ConfigurationSettingError
    ├── ConfigurationMissingExtraError
    └── ConfigurationUnknownModelError
"""

from yaoki.errors.root import AIOrchestrationError


class ModelInferenceError(AIOrchestrationError, kind="model"):
    """A model could not give a whole answer."""


class ModelUnavailableError(ModelInferenceError, kind="model.unavailable"):
    """The model cannot be reached, or answers that it is down."""


class ModelTimeoutError(ModelInferenceError, kind="model.timeout"):
    """A deadline passed; the fact `phase` says which: first_token, idle or total."""


class ModelRateLimitedError(ModelInferenceError, kind="model.rate_limited"):
    """The provider asks us to slow down."""


class ModelQuotaExceededError(ModelInferenceError, kind="model.quota_exceeded"):
    """A spent quota: waiting does not help."""


class ModelOverloadedError(ModelInferenceError, kind="model.overloaded"):
    """The provider is out of capacity."""


class ModelTruncatedError(ModelInferenceError, kind="model.truncated"):
    """The stream ended without a finish reason."""


class ModelMalformedError(ModelInferenceError, kind="model.malformed"):
    """What came is not what the protocol says."""


class ModelEmptyError(ModelInferenceError, kind="model.empty"):
    """A whole answer with nothing in it."""


class ModelFilteredError(ModelInferenceError, kind="model.filtered"):
    """The provider's content policy stopped the answer."""


class ModelOutputLimitError(ModelInferenceError, kind="model.output_limit"):
    """The answer reached its length limit."""


class ModelContextOverflowError(ModelInferenceError, kind="model.context_overflow"):
    """The conversation is longer than the model's window."""


class ModelAuthenticationError(ModelInferenceError, kind="model.authentication"):
    """The provider refuses our key."""


class ModelNotFoundError(ModelInferenceError, kind="model.not_found"):
    """The provider does not know this model."""


class ModelAllFailedError(ModelInferenceError, kind="model.all_failed"):
    """No candidate of the chain could answer."""


class AgentExecutionError(AIOrchestrationError, kind="agent"):
    """A turn or one of its tools failed."""


class AgentToolFailedError(AgentExecutionError, kind="agent.tool_failed"):
    """A tool reported a failure."""


class AgentToolTimeoutError(AgentExecutionError, kind="agent.tool_timeout"):
    """A tool did not answer in time; its effect is unknown unless it is repeatable."""


class AgentToolOutcomeUnknownError(AgentExecutionError, kind="agent.tool_outcome_unknown"):
    """A side effect may or may not have happened."""


class AgentToolNotFoundError(AgentExecutionError, kind="agent.tool_not_found"):
    """The model asked for a tool that does not exist."""


class AgentToolArgumentsError(AgentExecutionError, kind="agent.tool_arguments"):
    """The model's arguments do not fit the tool's schema."""


class AgentToolLoopError(AgentExecutionError, kind="agent.tool_loop"):
    """The same call again and again."""


class AgentToolServerUnavailableError(AgentExecutionError, kind="agent.tool_server_unavailable"):
    """A tool server is down."""


class AgentTurnBudgetSpentError(AgentExecutionError, kind="agent.turn_budget_spent"):
    """The turn's deadline, attempts, tokens or money are used up."""


class AgentCancelledError(AgentExecutionError, kind="agent.cancelled"):
    """Somebody asked to stop."""


class AgentParkedError(AgentExecutionError, kind="agent.parked"):
    """The turn failed repeatedly and waits for a recovery by hand."""


class SessionManagementError(AIOrchestrationError, kind="session"):
    """A session cannot be used as asked."""


class SessionNotFoundError(SessionManagementError, kind="session.not_found"):
    """No such session for this owner."""


class SessionCorruptedError(SessionManagementError, kind="session.corrupted"):
    """A record does not match its checksum."""


class SessionConflictError(SessionManagementError, kind="session.conflict"):
    """The same id with different content."""


class SessionClosedError(SessionManagementError, kind="session.closed"):
    """The session takes no more messages."""


class SessionStoreUnavailableError(SessionManagementError, kind="session.store_unavailable"):
    """The store cannot write or read."""


class VoiceProcessingError(AIOrchestrationError, kind="voice"):
    """Speech could not be heard or spoken."""


class VoiceRecognitionError(VoiceProcessingError, kind="voice.recognition"):
    """The recogniser failed."""


class VoiceSynthesisError(VoiceProcessingError, kind="voice.synthesis"):
    """The synthesiser failed."""


class VoiceUnavailableError(VoiceProcessingError, kind="voice.unavailable"):
    """No voice link can be had."""


class VoiceDeadAirError(VoiceProcessingError, kind="voice.dead_air"):
    """Nobody was heard for too long."""


class MemoryOperationError(AIOrchestrationError, kind="memory"):
    """Long-term memory could not be used."""


class MemoryUnavailableError(MemoryOperationError, kind="memory.unavailable"):
    """Memory is down; answers go on without recall."""


class MemoryCorruptedError(MemoryOperationError, kind="memory.corrupted"):
    """A memory does not match its checksum."""


class SecurityValidationError(AIOrchestrationError, kind="security"):
    """A request or an action is not allowed."""


class SecurityUnauthenticatedError(SecurityValidationError, kind="security.unauthenticated"):
    """No valid credentials."""


class SecurityForbiddenError(SecurityValidationError, kind="security.forbidden"):
    """Known, and not allowed."""


class SecurityInputRejectedError(SecurityValidationError, kind="security.input_rejected"):
    """The input breaks a stated limit or shape."""


class SecurityToolDefinitionChangedError(SecurityValidationError, kind="security.tool_definition_changed"):
    """A tool is not the one that was approved."""


class SecurityTaintedActionError(SecurityValidationError, kind="security.tainted_action"):
    """An action follows instructions from untrusted text."""


class ResourceManagementError(AIOrchestrationError, kind="resource"):
    """Rejected before it started: safe to try elsewhere."""


class ResourceBreakerOpenError(ResourceManagementError, kind="resource.breaker_open"):
    """A circuit breaker is open; the call never started."""


class ResourceBulkheadFullError(ResourceManagementError, kind="resource.bulkhead_full"):
    """No room and no place in the queue; the call never started."""


class ResourceRateLimitedError(ResourceManagementError, kind="resource.rate_limited"):
    """Our own rate limit; the call never started."""


class ResourceOverloadedError(ResourceManagementError, kind="resource.overloaded"):
    """This instance takes no new work now."""


class CommunicationError(AIOrchestrationError, kind="communication"):
    """A link to a client or a room failed."""


class CommunicationConnectionLostError(CommunicationError, kind="communication.connection_lost"):
    """The connection is gone; the turn goes on."""


class CommunicationTimeoutError(CommunicationError, TimeoutError, kind="communication.timeout"):
    """The other side did not answer in time. Also a `TimeoutError`, so that plain code can catch it."""


class CommunicationUnavailableError(CommunicationError, kind="communication.unavailable"):
    """The other side cannot be reached, or answers that it is down."""


class CommunicationSlowConsumerError(CommunicationError, kind="communication.slow_consumer"):
    """The reader fell too far behind."""


class CommunicationProtocolError(CommunicationError, kind="communication.protocol"):
    """A frame that the protocol does not know."""


class CommunicationRoomUnavailableError(CommunicationError, kind="communication.room_unavailable"):
    """The voice room is gone."""


class CommunicationResumeImpossibleError(CommunicationError, kind="communication.resume_impossible"):
    """The log that the client resumes from is not this one."""


class ConfigurationError(AIOrchestrationError, kind="configuration"):
    """The set-up is wrong; a person must change it."""


class ConfigurationSettingError(ConfigurationError, kind="configuration.setting"):
    """A setting is unknown or has a wrong value."""


class ConfigurationMissingExtraError(ConfigurationError, kind="configuration.missing_extra"):
    """An optional part of the distribution is not installed."""


class ConfigurationUnknownModelError(ConfigurationError, kind="configuration.unknown_model"):
    """A name that no table [models] defines."""
