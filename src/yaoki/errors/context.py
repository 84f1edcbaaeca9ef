"""Where an error happened, and how code far below gets to know it."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from yaoki.errors.records import Record


class AIErrorContext(Record):
    """Facts about the place of a failure; every one is optional.

    Attributes:
        conversation_turn: The turn's id.
        recovery_attempts: How many recoveries were tried already; starts at 0.
    """

    operation: str | None = None
    session_id: str | None = None
    agent_type: str | None = None
    model_name: str | None = None
    tool_name: str | None = None
    conversation_turn: str | None = None
    voice_status: str | None = None
    recovery_attempts: int = 0
    instance: str | None = None
    trace_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The facts that are known, by name."""
        return {name: value for name, value in super().as_dict().items() if value}


_NOWHERE = AIErrorContext()
_current: ContextVar[AIErrorContext] = ContextVar("yaoki_error_context", default=_NOWHERE)


def current() -> AIErrorContext:
    """The context that errors raised here and now will carry. Costs one lookup."""
    return _current.get()


@contextmanager
def bind(**facts: Any) -> Generator[AIErrorContext, None, None]:
    """Add facts to the context of whatever runs inside, in this task and in those that it starts.

    Meant for whole turns, tool calls and the like; the guard names its operation only when a call has failed.

    Example:
        >>> with bind(session_id="s1"), bind(tool_name="clock"):
        ...     current()
        AIErrorContext(session_id='s1', tool_name='clock')
    """
    context = _current.get().but(**facts)
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
