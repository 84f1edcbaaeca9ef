"""Answers that their provider calls finished and that end inside something: in JSON, or before a tool call."""

import json
import re
from collections.abc import Sequence

from yaoki.errors import ModelTruncatedError
from yaoki.llm.deltas import FinishReason, ToolCall

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def refuse_cut_short(reason: FinishReason, calls: Sequence[ToolCall], parsed: str) -> None:
    """Let pass what may be whole.

    Args:
        reason: How the answer says that it ended, which is no limit.
        calls: The tool calls that came.
        parsed: Text that is to be parsed; empty if none is.

    Raises:
        ModelTruncatedError: It ends inside JSON, or in a tool call that did not come.
    """
    if reason == "tool_calls" and not calls:
        raise ModelTruncatedError("The model says that it calls a tool, and no call came.", fault="no_call")
    if any(map(is_cut_json, (parsed, *(call.arguments for call in calls)))):
        raise ModelTruncatedError("The answer ends inside its JSON.", fault="cut_json")


def is_cut_json(text: str) -> bool:
    """Whether `text` begins as a JSON object or list and ends inside it.

    What is broken in another way is not cut: whoever asked for it may say so to the model.

    Example:
        >>> [is_cut_json(text) for text in ('{"a": [1', '{"a": "b', '{"a": 1}', '{a: 1}', "", "prose")]
        [True, True, False, False, False, False]
    """
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        bare = _STRING.sub("", text)
        return '"' in bare or sum(map(bare.count, "{[")) > sum(map(bare.count, "}]"))
    return False
