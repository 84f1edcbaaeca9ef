"""From a TOML file and the environment to `Settings`, or to one error that names everything that is wrong."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from pydantic import ValidationError

from yaoki.settings.environment import overlay
from yaoki.settings.later import LATER_KEYS, LATER_SECTIONS, not_yet
from yaoki.settings.places import data_dir, settings_file
from yaoki.settings.problems import Problem, as_table, configuration_error, did_you_mean, explain, quoted
from yaoki.settings.section import Section
from yaoki.settings.sections import EMBEDDED, NAMED, SINGLE
from yaoki.settings.settings import Settings

Document = dict[str, dict[str, Any]]


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the settings.

    Args:
        path: The file to read. Without it: YAOKI_CONFIG, else ./yaoki.toml, else the defaults (loopback, SQLite in the
            user's data folder, the embedded models).
        environ: Overrides by `YAOKI_SECTION__KEY`, for scalars outside named tables.

    Raises:
        ConfigurationSettingError: Something is wrong; the message has one line for each problem, naming file (or
            variable), key and remedy, and the fact `problems` holds the same as data.
        ConfigurationUnknownModelError: All that is wrong are names of models that do not exist.
    """
    file = settings_file(path, environ)
    return _Reader(file, environ).read()


class _Reader:
    """Collects problems instead of stopping at the first one."""

    def __init__(self, file: Path | None, environ: Mapping[str, str]) -> None:
        self.file = file.absolute() if file else None
        self.source = str(file) if file else "settings"
        self.environ = environ
        self.problems: list[Problem] = []
        self.variables: dict[str, str] = {}

    def read(self) -> Settings:
        """Every step reports what it can, then all of it is raised at once."""
        document = self._sections(self._parse())
        self.variables, found = overlay(document, self.environ)
        self.problems += found
        self._put_in_defaults(document)
        self._check_names(document)
        sections: dict[str, Any] = {
            **{name: self._section(name, cls, document[name]) for name, cls in SINGLE.items()},
            **{name: self._tables(name, cls, document[name]) for name, cls in NAMED.items()},
        }
        if self.problems:
            raise configuration_error(self.problems)
        return Settings(source=self.file, data_dir=data_dir(self.environ), **sections)

    def _parse(self) -> dict[str, Any]:
        if self.file is None:
            return {}
        try:
            return tomllib.loads(self.file.read_text(encoding="utf-8"))
        except OSError as error:
            text = f"cannot be read ({(error.strerror or 'unknown reason').lower()})."
        except UnicodeDecodeError:
            text = "is not a TOML file (not UTF-8 text)."
        except tomllib.TOMLDecodeError as error:
            text = f"is not valid TOML: {error}."
        raise configuration_error([Problem(source=self.source, key="", text=text)])

    def _sections(self, raw: dict[str, Any]) -> Document:
        """The known sections; others are problems."""
        document: Document = {name: {} for name in (*SINGLE, *NAMED)}
        for name, table in raw.items():
            if name in LATER_SECTIONS:
                self._problem(quoted(name), not_yet(LATER_SECTIONS[name]))
            elif name not in document:
                self._problem(quoted(name), f"is not a section; {did_you_mean(name, document)}")
            elif (keys := as_table(table)) is None:
                self._problem(name, f"must be a section: [{name}].")
            else:
                document[name] = keys
        return document

    def _put_in_defaults(self, document: Document) -> None:
        """Embedded models if there are none; an agent on the first model if there is none; paths made absolute."""
        document["models"] = document["models"] or {name: dict(table) for name, table in EMBEDDED.items()}
        document["agents"] = document["agents"] or {"default": {"model": next(iter(document["models"]))}}
        store = document["store"]
        url = store.setdefault("url", "") or f"sqlite:///{data_dir(self.environ) / 'yaoki.db'}"
        if isinstance(url, str) and url.removeprefix("sqlite:///"):
            scheme, slashes, path = url.partition(":///")
            store["url"] = f"{scheme}{slashes}{self._absolute(path)}" if slashes and scheme == "sqlite" else url
        for name, value in document["models"].items():
            table = as_table(value) or {}
            if isinstance(table.get("path"), str) and table["path"]:
                document["models"][name] = {**table, "path": self._absolute(table["path"])}

    def _absolute(self, path: str) -> str:
        """A relative path counts from the settings file's folder, without one from the current folder."""
        base = self.file.parent if self.file else Path.cwd()
        return str(base / Path(path).expanduser())

    def _check_names(self, document: Document) -> None:
        """Fallbacks and agents must name models that exist, whatever else is wrong with their tables."""
        models = document["models"]
        for name, value in models.items():
            fallbacks = (as_table(value) or {}).get("fallbacks")
            for fallback in cast("list[Any]", fallbacks) if isinstance(fallbacks, list) else ():
                self._check_model(f"models.{quoted(name)}.fallbacks", fallback, models)
            self._check_model(f"models.{quoted(name)}.on_filter", (as_table(value) or {}).get("on_filter"), models)
        for name, value in document["agents"].items():
            self._check_model(f"agents.{quoted(name)}.model", (as_table(value) or {}).get("model"), models)

    def _check_model(self, key: str, name: Any, models: Mapping[str, Any]) -> None:
        if isinstance(name, str) and name and name not in models:
            embedded = f'add [models.{name}] with provider = "local" to have the embedded one.'
            text = f'there is no model "{name}"; {embedded if name in EMBEDDED else did_you_mean(name, models)}'
            self.problems.append(Problem(source=self.source, key=key, text=text, unknown_model=True))

    def _tables(self, section: str, cls: type[Section], tables: dict[str, Any]) -> Mapping[str, Any]:
        return MappingProxyType(
            {name: self._section(f"{section}.{quoted(name)}", cls, table) for name, table in tables.items()}
        )

    def _section(self, key: str, cls: type[Section], table: Any) -> Section | None:
        """One table as its frozen section; None if it has problems."""
        keys = as_table(table)
        if keys is None:
            self._problem(key, f"must be a table: [{key}].")
            return None
        try:
            return cls.model_validate(self._without_later(key, keys))
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                path = ".".join([key, *(str(part) for part in detail["loc"])])
                self._problem(path, explain(detail, cls.model_fields))
            return None

    def _without_later(self, key: str, table: dict[str, Any]) -> dict[str, Any]:
        """The table without keys whose feature is not there: an empty one is harmless, another is a problem."""
        section = key.partition(".")[0]
        for (owner, name), what in LATER_KEYS.items():
            if owner == section and name in table and table.pop(name):
                self._problem(f"{key}.{name}", not_yet(what))
        return table

    def _problem(self, key: str, text: str) -> None:
        variable = self.variables.get(key)
        if variable:
            self.problems.append(Problem(source=f"environment variable {variable}", key="", text=text))
        else:
            self.problems.append(Problem(source=self.source, key=key, text=text))
