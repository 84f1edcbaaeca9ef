"""What is wrong with settings, as file, key and remedy. Values are never repeated, since one may be a secret."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

from pydantic_core import ErrorDetails

from yaoki.errors import ConfigurationError, ConfigurationSettingError, ConfigurationUnknownModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to put right.

    Attributes:
        source: The file or the environment variable that says it.
        key: The dotted key, for example `server.port`; empty if the source as a whole is meant.
        text: What is wrong, and what to do about it.
        unknown_model: A name that no table [models] defines.
    """

    source: str
    key: str
    text: str
    unknown_model: bool = False

    def __str__(self) -> str:
        return f"{self.source}: {self.key}: {self.text}" if self.key else f"{self.source}: {self.text}"


def configuration_error(problems: Sequence[Problem]) -> ConfigurationError:
    """All problems as one error: one line for each, and as the fact `problems`."""
    cls = ConfigurationUnknownModelError if all(p.unknown_model for p in problems) else ConfigurationSettingError
    facts = [{"source": p.source, "key": p.key, "problem": p.text} for p in problems]
    return cls("\n".join(str(p) for p in problems), problems=facts)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A closing hint: the nearest known name, else the list of them."""
    names = list(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known: {', '.join(names)}." if names else "there are none."


def quoted(key: str) -> str:
    """A table's name as TOML wants it in a dotted key."""
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def as_table(value: Any) -> dict[str, Any] | None:
    """A copy of a TOML table; None if the value is something else."""
    return dict(cast("dict[str, Any]", value)) if isinstance(value, dict) else None


_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_TEXTS: Mapping[str, str] = {
    "missing": "is missing.",
    "string_type": "must be text in quotes.",
    "int_type": "must be a whole number.",
    "int_parsing": "must be a whole number.",
    "float_type": "must be a number.",
    "float_parsing": "must be a number.",
    "finite_number": "must be a finite number.",
    "bool_type": "must be true or false.",
    "tuple_type": "must be a list.",
    "dict_type": "must be a table.",
    "model_type": "must be a table.",
    "string_too_short": "must not be empty.",
    "greater_than": "must be greater than {gt:g}.",
    "greater_than_equal": "must be at least {ge:g}.",
    "less_than": "must be less than {lt:g}.",
    "less_than_equal": "must be at most {le:g}.",
    "literal_error": "must be one of {expected}.",
}


def explain(detail: ErrorDetails, known: Iterable[str]) -> str:
    """A sentence for one of pydantic's findings; `known` are the keys of the table that it was found in."""
    context: dict[str, Any] = detail.get("ctx", {})
    if detail["type"] == "extra_forbidden":
        return f"is not a setting; {did_you_mean(str(detail['loc'][-1]), known)}"
    if detail["type"] == "value_error":
        return str(context["error"])
    template = _TEXTS.get(detail["type"])
    return template.format_map(context) if template else detail["msg"].lower() + "."
