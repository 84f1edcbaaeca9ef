"""Settings: TOML and environment, parsed into frozen policies."""

from yaoki.settings.load import load
from yaoki.settings.places import data_dir
from yaoki.settings.problems import Problem
from yaoki.settings.sections import (
    AgentSettings,
    BreakerSettings,
    BulkheadSettings,
    LimitSettings,
    ModelSettings,
    RecoverySettings,
    RetrySettings,
    ServerSettings,
    StoreSettings,
)
from yaoki.settings.settings import Settings

__all__ = [
    "AgentSettings",
    "BreakerSettings",
    "BulkheadSettings",
    "LimitSettings",
    "ModelSettings",
    "Problem",
    "RecoverySettings",
    "RetrySettings",
    "ServerSettings",
    "Settings",
    "StoreSettings",
    "data_dir",
    "load",
]
