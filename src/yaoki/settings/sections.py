"""The sections of `yaoki.toml`: keys, types, ranges and defaults. Durations end in `_s` and are seconds."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from yaoki.llm.answer_cache import CachePolicy
from yaoki.settings.guard_settings import BreakerSettings, BulkheadSettings, RetrySettings
from yaoki.settings.model_settings import ModelSettings
from yaoki.settings.section import Count, Name, Seconds, Section
from yaoki.turns.statements import Language

_SQLITE = "sqlite:///"


class ServerSettings(Section):
    """Where the server listens. Port 0 lets the system choose a free one."""

    host: Name = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8400

    @field_validator("host")
    @classmethod
    def _loopback(cls, host: str) -> str:
        if not is_loopback(host):
            raise ValueError(
                "must be a loopback address (127.0.0.1, ::1 or localhost): there is no authentication yet, and without "
                "it anybody who reaches another address could use your models."
            )
        return host

    @property
    def url(self) -> str:
        """The server's base URL."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class StoreSettings(Section):
    """Where sessions are kept. `keep_days`: days after its last activity until a session is erased; 0 keeps it."""

    url: str = ""
    keep_days: Annotated[int, Field(ge=0, le=36_500)] = 30

    @field_validator("url")
    @classmethod
    def _supported(cls, url: str) -> str:
        if url and not (url.startswith(_SQLITE) and url != _SQLITE):
            if url.startswith("postgres"):
                raise ValueError("Postgres is not available in this version; use sqlite:///path/to/yaoki.db.")
            raise ValueError("must be sqlite:///path/to/yaoki.db, or empty for the user's data folder.")
        return url

    @property
    def path(self) -> Path:
        """The database file."""
        return Path(self.url.removeprefix(_SQLITE))


class AgentSettings(Section):
    """Who answers: a model (with its fallbacks) and what it is told to be.

    Attributes:
        language: Of the statement that stands in for an answer when no model can give one.
        degraded: That statement in your own words; `{agent}` and `{wait_s}` are filled in; empty: the built-in one.
    """

    model: Name
    instructions: str = "You are a helpful assistant. Answer briefly and plainly."
    language: Language = "en"
    degraded: Annotated[str, Field(max_length=4_000)] = ""


class CacheSettings(Section):
    """Answers kept in memory for the time when no model can be reached.

    Attributes:
        ttl_s: Seconds that an answer may be old.
        max_entries: Answers at once; 0 keeps none.
    """

    ttl_s: Annotated[float, Field(gt=0, le=31_536_000)] = 86_400.0
    max_entries: Annotated[int, Field(ge=0, le=1_000_000)] = 1_000

    def policy(self) -> CachePolicy:
        """The cache's own policy."""
        return CachePolicy(ttl_s=self.ttl_s, max_entries=self.max_entries)


class AuthSettings(Section):
    """Who may ask.

    Attributes:
        v1: open: whoever reaches the base URL, but a Yaoki key that is shown has to be valid; keys: only with one.
    """

    v1: Literal["open", "keys"] = "open"


class LimitSettings(Section):
    """Bounds that keep one client, one turn or one stop from hurting the rest.

    Attributes:
        body_bytes: Largest request body, but at the base URL.
        v1_body_bytes: Largest request body at the base URL, images included.
        v1_large_bytes: Of those that are larger than `body_bytes`, all under way together.
        message_chars: Longest message.
        drain_s: Seconds that running turns get to end when the server stops.
        heartbeat_s: Seconds between two heartbeats of an event stream.
        send_timeout_s: Seconds that a client may leave its stream unread.
        max_streams: Event streams and links that may be open at once.
        max_streams_per_owner: The same for one owner.
        max_requests: Requests under way at once.
        turn_deadline_s: Seconds from a turn's start to its end, whatever happens.
        turn_attempts: Model requests of one turn that may fail; those that bring a whole response cost none.
        turn_tokens: Tokens of one turn's requests together, prompts and answers; 0: no limit.
        turn_usd: What they may cost at list prices, in US dollars; 0: no limit.
    """

    body_bytes: Annotated[int, Field(ge=1024, le=1_073_741_824)] = 1_048_576
    v1_body_bytes: Annotated[int, Field(ge=1024, le=1_073_741_824)] = 20_971_520
    v1_large_bytes: Annotated[int, Field(ge=1024, le=1_099_511_627_776)] = 268_435_456
    message_chars: Annotated[int, Field(ge=1, le=10_000_000)] = 32_000
    drain_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    heartbeat_s: Annotated[float, Field(ge=0.1, le=60)] = 5.0
    send_timeout_s: Seconds = 10.0
    max_streams: Count = 10_000
    max_streams_per_owner: Count = 2_000
    max_requests: Count = 256
    turn_deadline_s: Seconds = 180.0
    turn_attempts: Annotated[int, Field(ge=1, le=100)] = 6
    turn_tokens: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    turn_usd: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0


SINGLE: dict[str, type[Section]] = {
    "server": ServerSettings,
    "store": StoreSettings,
    "limits": LimitSettings,
    "cache": CacheSettings,
    "auth": AuthSettings,
}
"""Sections of plain keys; their scalars are also read from the environment."""

NAMED: dict[str, type[Section]] = {
    "models": ModelSettings,
    "agents": AgentSettings,
    "breakers": BreakerSettings,
    "retry": RetrySettings,
    "bulkheads": BulkheadSettings,
}
"""Sections of tables by name."""

EMBEDDED: dict[str, dict[str, Any]] = {
    "smollm2": {"provider": "local", "fallbacks": ["smollm2-standby"]},
    "smollm2-standby": {"provider": "local"},
}
"""The models without a settings file: the same weights in two processes, so that one may die."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
