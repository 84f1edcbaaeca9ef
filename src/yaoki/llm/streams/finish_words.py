"""The words by which providers end an answer."""

from yaoki.errors import ModelTruncatedError
from yaoki.llm.deltas import FinishReason

_WORDS: dict[str, FinishReason] = {
    **dict.fromkeys(
        (
            "length",
            "max_tokens",
            "max_output_tokens",
            "max_new_tokens",
            "model_length",
            "model_context_window_exceeded",
            "token_limit",
            "limit",
        ),
        "length",
    ),
    **dict.fromkeys(
        (
            "content_filter",
            "content_filtered",
            "safety",
            "refusal",
            "blocked",
            "blocklist",
            "recitation",
            "prohibited_content",
            "spii",
            "guardrail_intervened",
            "sensitive",
        ),
        "content_filter",
    ),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_calls"),
}
_BROKEN_OFF = frozenset(("other", "load", "language", "pause_turn", "time_limit", "in_progress", "not_finished"))
_BROKEN = (
    *("error", "abort", "cancel", "fail", "interrupt", "timeout", "insufficient", "unavailable", "malformed"),
    *("incomplete", "unexpected", "unknown", "unspecified", "too_many"),
)
"""Parts of words that say so, too."""
_NO_WORDS = frozenset(("", "null", "none"))


def says_nothing(word: str) -> bool:
    """Whether a finish field is empty, as it is before the end; there are servers that write its `null` as text."""
    return word.strip().casefold() in _NO_WORDS


def finish_reason(word: str) -> FinishReason:
    """What a provider's finish word means; an unknown one is a way to say "stop".

    Raises:
        ModelTruncatedError: The word says that the answer was broken off.

    Example:
        >>> finish_reason("MAX_TOKENS"), finish_reason("end_turn")
        ('length', 'stop')
    """
    folded = word.strip().casefold()
    if folded in _BROKEN_OFF or any(broken in folded for broken in _BROKEN):
        raise ModelTruncatedError("The provider says that it broke the answer off.", fault="broken_finish", word=word)
    return _WORDS.get(folded, "stop")
