"""What became of an answer, judged by what the user's program ended up with and by nothing else.

    hung         it had not ended when the bound passed
    repeated     a part of the answer was shown twice, or a tool was called twice
    told         something was raised; or the finish reason, or a refusal, says that this is no whole answer
    completed    the whole text and no other; for a tool, the whole call once
    passed off   anything else that ended as if it were an answer
    lost         the subject died, or the question never came to the faulty provider

An odd but healthy stream is `fine` if it came through as it was, from the provider that was asked; else a
`false alarm`.
"""

import json

from bench.survival.asking import Heard
from bench.survival.stage import ARGUMENTS, Pair
from yaoki.faults import ANSWER

VERDICTS = ("completed", "told", "repeated", "passed off", "hung", "lost")
_WHOLE = (None, "stop", "STOP", "eos", "end_turn", "stop_sequence", "tool_calls", "tool_call", "function_call")
"""Finish reasons that do not say that something is missing; a client that shows none says nothing."""
_PART = 40
_TELLING = [ANSWER[start : start + _PART] for start in range(0, len(ANSWER) - _PART, _PART // 2)]


def verdict(pair: Pair, heard: Heard | None) -> str:
    """See the module."""
    ending = _ending(pair, heard)
    if not pair.case.fault.healthy:
        return ending
    return "fine" if ending == "completed" and not pair.healthy.asked else "false alarm"


def _ending(pair: Pair, heard: Heard | None) -> str:
    if heard is None or not pair.faulty.fired:
        return "lost"
    if heard.hung:
        return "hung"
    if len(heard.calls) > 1 and all(map(_is_wanted, heard.calls)):
        return "repeated"
    if any(heard.text.count(part) > 1 for part in _TELLING):
        return "repeated"
    if heard.raised:
        return "told"
    return "completed" if _is_whole(pair, heard) else "told" if _says_so(heard) else "passed off"


def _is_whole(pair: Pair, heard: Heard) -> bool:
    said = heard.text in pair.case.whole
    if not pair.case.tool:
        return said
    called = len(heard.calls) == 1 and _is_wanted(heard.calls[0])
    return (called and (said or not heard.text)) or (said and not heard.calls)


def _says_so(heard: Heard) -> bool:
    return heard.finish not in _WHOLE or bool(heard.refusal)


def _is_wanted(call: tuple[str, str]) -> bool:
    name, arguments = call
    try:
        return name == "charge" and json.loads(arguments) == ARGUMENTS
    except ValueError:
        return False
