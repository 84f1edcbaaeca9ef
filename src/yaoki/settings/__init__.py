"""Settings: TOML and environment, parsed into frozen policies."""

from yaoki.settings.guard_settings import BreakerSettings, BulkheadSettings, RetrySettings
from yaoki.settings.load import load
from yaoki.settings.model_settings import ModelSettings
from yaoki.settings.places import data_dir
from yaoki.settings.problems import Problem
from yaoki.settings.sections import AgentSettings, LimitSettings, ServerSettings, StoreSettings, is_loopback
from yaoki.settings.settings import Settings

__all__ = [
    "AgentSettings",
    "BreakerSettings",
    "BulkheadSettings",
    "LimitSettings",
    "ModelSettings",
    "Problem",
    "RetrySettings",
    "ServerSettings",
    "Settings",
    "StoreSettings",
    "data_dir",
    "is_loopback",
    "load",
]
