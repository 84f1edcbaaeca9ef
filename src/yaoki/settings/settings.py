"""The settings as a whole: what every other part is built from."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yaoki.resilience.registry import Guards
from yaoki.settings.guard_settings import BreakerSettings, BulkheadSettings, RetrySettings
from yaoki.settings.model_settings import ModelSettings
from yaoki.settings.problems import Problem, configuration_error, quoted
from yaoki.settings.sections import (
    AgentSettings,
    AuthSettings,
    CacheSettings,
    LimitSettings,
    ServerSettings,
    StoreSettings,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Checked settings. Every name in them exists; every path is absolute.

    Attributes:
        source: The file they come from; None: defaults and environment only.
        data_dir: The user's data folder.
    """

    source: Path | None
    data_dir: Path
    server: ServerSettings
    store: StoreSettings
    auth: AuthSettings
    limits: LimitSettings
    cache: CacheSettings
    models: Mapping[str, ModelSettings]
    agents: Mapping[str, AgentSettings]
    breakers: Mapping[str, BreakerSettings]
    retry: Mapping[str, RetrySettings]
    bulkheads: Mapping[str, BulkheadSettings]

    @property
    def default_agent(self) -> str:
        """The agent of a session that names none: `default`, else the first one."""
        return "default" if "default" in self.agents else next(iter(self.agents))

    def chain_of(self, name: str) -> tuple[str, ...]:
        """The models to try for `name`, itself first.

        A model's own fallbacks come before the fallbacks of its fallbacks; each model comes once, so circles are
        harmless.

        Raises:
            KeyError: There is no model of that name.
        """
        waiting, order = deque([name]), dict[str, None]()
        while waiting:
            model = waiting.popleft()
            if model not in order:
                order[model] = None
                waiting.extend(self.models[model].fallbacks)
        return tuple(order)

    def breaker(self, name: str) -> BreakerSettings:
        """The breaker policy by name, else `default`, else the built-in one."""
        return self.breakers.get(name) or self.breakers.get("default") or BreakerSettings()

    def configure(self, guards: Guards) -> None:
        """Let named breakers, bulkheads and retries follow the settings; the name `default` stands for all others."""
        for registry, tables in (
            (guards.breakers, self.breakers),
            (guards.bulkheads, self.bulkheads),
            (guards.retries, self.retry),
        ):
            policies: dict[str, Any] = {name: table.policy() for name, table in tables.items()}
            registry.configure(default=policies.pop("default", None), by_name=policies)

    def secret_variables(self) -> tuple[str, ...]:
        """Names of the environment variables that hold keys."""
        return tuple(dict.fromkeys(name for model in self.models.values() for name in model.key_variables))

    def missing(self, environ: Mapping[str, str]) -> list[Problem]:
        """What the settings name and the machine lacks: variables of keys, files of local models."""
        source = str(self.source or "settings")
        found: list[Problem] = []
        for name, model in self.models.items():
            table = f"models.{quoted(name)}"
            for variable in model.key_variables:
                if not environ.get(variable):
                    key = "api_key_env" if variable == model.api_key_env else "more_api_key_envs"
                    text = f"the environment variable {variable} is not set; export the key before the start."
                    found.append(Problem(source=source, key=f"{table}.{key}", text=text))
            if model.path and not Path(model.path).is_file():
                text = f"there is no file {model.path}; give the path of a GGUF file."
                found.append(Problem(source=source, key=f"{table}.path", text=text))
        return found

    def require_all(self, environ: Mapping[str, str]) -> None:
        """Refuse to start without what `missing` finds.

        Raises:
            ConfigurationSettingError: Names everything that is missing.
        """
        found = self.missing(environ)
        if found:
            raise configuration_error(found)
