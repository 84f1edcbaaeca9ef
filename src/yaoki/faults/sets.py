"""Faults by the handful: named sets for whoever does not want to name each."""

from collections.abc import Iterator

from yaoki.errors import ConfigurationSettingError
from yaoki.faults.table import FAULTS, REFUSED, Fault, fault_named

DEFAULT = (
    "rate_limited",
    "http_500",
    "html",
    "never_answers",
    "stall_mid_stream",
    "comments_mid_stream",
    "cut_mid_stream",
    "done_without_finish",
    "reset_mid_stream",
    "error_event",
    "bad_json",
    "empty",
    "repeating",
    "length",
)
"""One of each kind: what providers and the proxies before them are seen to do."""

_ROWS = {
    "refusals": ("M1", "M2", "M3", "M4", "M5", "M22", "M23", "M24"),
    "pages": ("M16",),
    "stalls": ("M9", "M10"),
    "cuts": ("M11", "M12"),
    "garbage": ("M13", "M14"),
    "endings": ("M15", "M17", "M18", "M19"),
    "calls": ("M20", "M21", "M26", "M27"),
    "odd": ("M28",),
}
_NOT_IN_ALL = ("calls", "odd")

SETS: dict[str, str] = {
    "default": f"one of each kind, {len(DEFAULT)} in all",
    "refusals": "statuses instead of an answer: 429, 500, 503, 529, 401, 404 …",
    "pages": "a 200 or a redirect that is something else: a page, a sentence, foreign JSON",
    "stalls": "nothing comes, or nothing that is a word",
    "cuts": "the answer breaks off: closed, reset, or ended without a finish reason",
    "garbage": "errors and noise in the middle of an answer",
    "endings": "no words, no end, or an end by limit or filter",
    "calls": "tool calls that break off, or that nobody can carry out (for clients that offer tools)",
    "odd": "unusual and healthy: a client that fails here is too strict",
    "all": "all of them but `calls` and `odd`",
}
"""Every set by its name, with what is in it."""


def chosen(words: str) -> tuple[Fault, ...]:
    """The faults that `words` name, each once: faults, sets and rows of the fault list, with commas between.

    Raises:
        ConfigurationSettingError: A word is none of these; or a fault cannot be played by a proxy.
    """
    found: dict[str, Fault] = {}
    for word in filter(None, (word.strip() for word in words.split(","))):
        found |= {fault.name: fault for fault in _named(word)}
    if not found:
        raise ConfigurationSettingError("Name at least one fault.")
    return tuple(found.values())


def members(name: str) -> tuple[Fault, ...]:
    """The faults of a set."""
    if name == "default":
        return tuple(FAULTS[one] for one in DEFAULT)
    sets = [one for one in _ROWS if one not in _NOT_IN_ALL] if name == "all" else [name]
    rows = {row for one in sets for row in _ROWS[one]}
    return tuple(fault for fault in _playable() if fault.row in rows)


def _named(word: str) -> tuple[Fault, ...]:
    if word in SETS:
        return members(word)
    if word == REFUSED:
        raise ConfigurationSettingError(
            f"{REFUSED}: a connection that is refused is never seen, so nobody could say that it was; "
            "take closes_at_once or resets_at_once."
        )
    in_row = tuple(fault for fault in _playable() if fault.row == word.upper())
    return in_row or (fault_named(word),)


def _playable() -> Iterator[Fault]:
    return (fault for fault in FAULTS.values() if fault.name != REFUSED)
