"""Keeps secrets out of everything that is shown, logged or traced.

Facts and messages should not hold secrets in the first place; this is the second line. It knows secrets by the name
they stand under and by the shapes that keys, tokens and credentials in addresses have.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

HIDDEN = "[hidden]"

_MAX_DEPTH = 6
# Patterns are compiled at their first use (`re` keeps them): whoever meets no error does not pay for them.
_HIDE_WHAT_IS_NAMED = (
    r"(?i)(?:^|[_.\-])(?:api[_\-]?key|secret[_\-]?key|private[_\-]?key|access[_\-]?key|secret|token|password|passwd"
    r"|passphrase|authorization|cookie|credentials?|ticket)$"
)
_HIDE_WHAT_LOOKS_LIKE = (
    r"(?i)(?P<scheme>\b(?:bearer|basic)\s+)[\w.~+/=\-]{8,}"
    r"|(?P<user>://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|(?P<pair>\b(?:api[_\-]?key|secret|token|password|passwd)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;]{4,}"
    r"|\b(?:sk|pk|rk|yk|xox[abps]|gh[pousr]|hf|AIza|AKIA)[_\-]?[\w\-]{16,}"
    r"|\beyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]*"
)


def redact_text(text: str) -> str:
    """The text without what looks like a secret.

    Example:
        >>> redact_text("GET https://me:hunter2@host failed, Authorization: Bearer abcdefgh123")
        'GET https://[hidden]@host failed, Authorization: Bearer [hidden]'
    """
    return re.sub(_HIDE_WHAT_LOOKS_LIKE, _hide, text)


def redact(facts: Mapping[str, object]) -> dict[str, Any]:
    """The facts as JSON can hold them, without secrets; nested mappings and lists too.

    Example:
        >>> redact({"api_key": "abc", "max_tokens": 5, "headers": {"Set-Cookie": "x"}})
        {'api_key': '[hidden]', 'max_tokens': 5, 'headers': {'Set-Cookie': '[hidden]'}}
    """
    return cast("dict[str, Any]", _clean(dict(facts), _MAX_DEPTH))


def _hide(match: re.Match[str]) -> str:
    return (match["scheme"] or match["user"] or match["pair"] or "") + HIDDEN


def _clean(value: object, depth: int) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return redact_text(value)
        case Mapping() if depth:
            mapping = cast("Mapping[object, object]", value)
            return {
                str(name): HIDDEN if re.search(_HIDE_WHAT_IS_NAMED, str(name)) else _clean(inner, depth - 1)
                for name, inner in mapping.items()
            }
        case list() | tuple() | set() | frozenset() if depth:
            return [_clean(inner, depth - 1) for inner in cast("list[object]", value)]
        case _:
            return redact_text(str(value)) if depth else "…"
