"""What may be wrong with the other side, whoever it is; and which kind that is in each family.

A refused connection is `model.unavailable` when a model was called, `agent.tool_server_unavailable` when it was a tool
server. Foreign exceptions therefore have a nature, and whoever classifies them may say which family was called.
"""

from enum import StrEnum

from yaoki.errors.categories import AIErrorCategory


class Nature(StrEnum):
    """The neutral half of a kind."""

    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    CUT = "cut"  # it began, and broke off
    MALFORMED = "malformed"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    OVERLOADED = "overloaded"
    AUTHENTICATION = "authentication"
    NOT_FOUND = "not_found"
    REJECTED = "rejected"  # it did not like what we sent
    CONTEXT_OVERFLOW = "context_overflow"
    OUTPUT_LIMIT = "output_limit"
    FILTERED = "filtered"
    CONFLICT = "conflict"
    CORRUPTED = "corrupted"
    EXHAUSTED = "exhausted"  # our own machine has run out of something


def _row(default: str, **exceptions: str) -> dict[Nature, str]:
    """Every nature's kind in one family: the default, but for those named."""
    return {nature: exceptions.get(nature.value, default) for nature in Nature}


KIND_BY_FAMILY: dict[AIErrorCategory, dict[Nature, str]] = {
    AIErrorCategory.MODEL: _row(
        "model.unavailable",
        timeout="model.timeout",
        cut="model.truncated",
        malformed="model.malformed",
        rejected="model.malformed",
        conflict="model.malformed",
        rate_limited="model.rate_limited",
        quota_exceeded="model.quota_exceeded",
        overloaded="model.overloaded",
        authentication="model.authentication",
        not_found="model.not_found",
        context_overflow="model.context_overflow",
        output_limit="model.output_limit",
        filtered="model.filtered",
        exhausted="resource.overloaded",
    ),
    AIErrorCategory.AGENT: _row(
        "agent.tool_failed",
        unavailable="agent.tool_server_unavailable",
        timeout="agent.tool_timeout",
        cut="agent.tool_server_unavailable",
        overloaded="agent.tool_server_unavailable",
        authentication="agent.tool_server_unavailable",
        not_found="agent.tool_not_found",
        rejected="agent.tool_arguments",
        exhausted="resource.overloaded",
    ),
    AIErrorCategory.SESSION: _row(
        "session.store_unavailable", conflict="session.conflict", corrupted="session.corrupted"
    ),
    AIErrorCategory.MEMORY: _row("memory.unavailable", corrupted="memory.corrupted", malformed="memory.corrupted"),
    AIErrorCategory.VOICE: _row("voice.unavailable"),
    AIErrorCategory.COMMUNICATION: _row(
        "communication.unavailable",
        timeout="communication.timeout",
        cut="communication.connection_lost",
        rate_limited="resource.rate_limited",
        authentication="configuration.setting",
        not_found="security.input_rejected",
        rejected="security.input_rejected",
        context_overflow="security.input_rejected",
        output_limit="security.input_rejected",
        filtered="security.input_rejected",
        conflict="security.input_rejected",
        exhausted="resource.overloaded",
    ),
}
"""The kind of each nature in the families that call something; the last is for callees nobody has named."""
