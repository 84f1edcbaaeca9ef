"""Settings from the environment: `YAOKI_SECTION__KEY` for scalars outside named tables.

Read by hand, since it is forty lines, and a settings library would neither tell which variable is wrong nor refuse one
that means nothing.
"""

import tomllib
from collections.abc import Mapping
from typing import Any, cast

from yaoki.settings.later import LATER_KEYS, LATER_SECTIONS, not_yet
from yaoki.settings.places import CONFIG_VARIABLE
from yaoki.settings.problems import Problem, as_table, did_you_mean
from yaoki.settings.sections import NAMED, SINGLE

_PREFIX = "YAOKI_"


def overlay(document: dict[str, dict[str, Any]], environ: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """Write the environment's values over the document's.

    Returns:
        Which variable a dotted key was taken from, and what is wrong with the variables themselves.
    """
    known = {f"{_PREFIX}{section}__{key}".upper(): (section, key) for section in SINGLE for key in _keys(section)}
    secrets = {name for model in document["models"].values() for name in _key_variables(as_table(model) or {})}
    taken: dict[str, str] = {}
    problems: list[Problem] = []
    for variable, value in environ.items():
        if not variable.startswith(_PREFIX) or variable == CONFIG_VARIABLE or variable in secrets:
            continue
        if variable in known:
            section, key = known[variable]
            document[section][key] = _value(value, SINGLE[section].model_fields[key].annotation)
            taken[f"{section}.{key}"] = variable
        else:
            problems += _strange(variable, known)
    return taken, problems


def _key_variables(model: Mapping[str, Any]) -> list[object]:
    more = model.get("more_api_key_envs")
    return [model.get("api_key_env"), *(cast("list[object]", more) if isinstance(more, list) else ())]


def _keys(section: str) -> list[str]:
    return list(SINGLE[section].model_fields)


def _value(text: str, annotation: Any) -> Any:
    """The text as the TOML value it would be in a file; as it is where text is wanted, or where it is not TOML."""
    if annotation is str:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _strange(variable: str, known: Mapping[str, Any]) -> list[Problem]:
    """What to say about a variable that sets nothing; nothing, if it does not look like a setting."""
    section, separator, key = variable.removeprefix(_PREFIX).lower().partition("__")
    if separator and section in NAMED:
        text = f"[{section}] holds tables by name, which only the settings file can give."
    elif separator and section in LATER_SECTIONS:
        text = not_yet(LATER_SECTIONS[section])
    elif (section, key) in LATER_KEYS:
        text = not_yet(LATER_KEYS[section, key])
    elif separator:
        text = f"is not a setting; {did_you_mean(variable, known)}"
    else:
        meant = [name for name in known if name.replace("__", "_") == variable]
        if not meant:
            return []
        text = f'is not a setting; did you mean "{meant[0]}"?'
    return [Problem(source=f"environment variable {variable}", key="", text=text)]
