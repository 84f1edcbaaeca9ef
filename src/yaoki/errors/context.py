"""Where an error happened."""


class AIErrorContext:
    """Facts about the place of a failure; every one is optional.

    Attributes:
        conversation_turn: The turn's id.
        recovery_attempts: How many recoveries were tried already; starts at 0.
    """

    __slots__ = (
        "agent_type",
        "conversation_turn",
        "instance",
        "model_name",
        "operation",
        "recovery_attempts",
        "session_id",
        "tool_name",
        "trace_id",
        "voice_status",
    )

    def __init__(
        self,
        *,
        operation: str | None = None,
        session_id: str | None = None,
        agent_type: str | None = None,
        model_name: str | None = None,
        tool_name: str | None = None,
        conversation_turn: str | None = None,
        voice_status: str | None = None,
        recovery_attempts: int = 0,
        instance: str | None = None,
        trace_id: str | None = None,
    ) -> None:
        self.operation = operation
        self.session_id = session_id
        self.agent_type = agent_type
        self.model_name = model_name
        self.tool_name = tool_name
        self.conversation_turn = conversation_turn
        self.voice_status = voice_status
        self.recovery_attempts = recovery_attempts
        self.instance = instance
        self.trace_id = trace_id

    def as_dict(self) -> dict[str, object]:
        """The facts that are known, by name."""
        facts = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in facts.items() if value}
