"""The sections of `yaoki.toml`: keys, types, ranges and defaults.

Every section is frozen, refuses unknown keys and reads numbers strictly ("8400" is not a port). Durations end in `_s`
and are seconds.
"""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from yaoki.llm.candidates import CandidatePolicy
from yaoki.resilience.breaker_policy import BREAKER_BREAK_S, BREAKER_THRESHOLD, BreakerPolicy

if TYPE_CHECKING:
    from yaoki.llm.local import LocalModelPolicy

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Name = Annotated[str, Field(min_length=1)]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SQLITE = "sqlite:///"


class Section(BaseModel):
    """A frozen table of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


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


class ModelSettings(Section):
    """One candidate that may answer.

    Attributes:
        provider: `openai` for anything that speaks OpenAI's protocol (Ollama, vLLM, llama.cpp …), `local` for a model
            that Yaoki runs itself.
        model: The provider's own name for it; not needed for `local`.
        base_url: Where it is served; empty: OpenAI itself.
        api_key_env: Name of the environment variable that holds the key; empty: none is sent.
        fallbacks: Names of other tables [models], in the order to try them.
        continuation: How a cut answer goes on: prefill, instruction, off, or auto (prefill where a probe shows that
            it is honoured).
        path: `local`: a GGUF file; empty: the SmolLM2 weights of `yaoki models install`.
        context_tokens: `local`: size of the model's window.
        threads: `local`: CPU threads; 0: half of the cores.
        parallel: `local`: answers at the same time; they share the window.
    """

    provider: Literal["openai", "local"]
    model: str = ""
    base_url: str = ""
    api_key_env: str = ""
    fallbacks: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    first_token_timeout_s: Seconds = 10.0
    idle_timeout_s: Seconds = 5.0
    max_output_tokens: Count = 4096
    continuation: Literal["auto", "prefill", "instruction", "off"] = "auto"
    path: str = ""
    context_tokens: Annotated[int, Field(ge=256, le=1_048_576)] = 4096
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    parallel: Annotated[int, Field(ge=1, le=64)] = 1

    @field_validator("api_key_env")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if name and not _VARIABLE.fullmatch(name):
            raise ValueError("must be the name of an environment variable, not the key itself.")
        return name

    @field_validator("base_url")
    @classmethod
    def _a_web_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            _ = parts.port  # read here, since it is checked when it is read
        except ValueError:
            raise ValueError("is not a web address.") from None
        if url and not (parts.scheme in ("http", "https") and parts.hostname):
            raise ValueError("must begin with http:// or https:// and name a host.")
        if parts.username or parts.password:
            raise ValueError("must not hold credentials; put the key into a variable and name it in api_key_env.")
        return url

    @model_validator(mode="after")
    def _fits_the_provider(self) -> Self:
        """Refuse keys of the other kind of model, and room for answers that a window cannot hold."""
        foreign = _REMOTE_ONLY if self.provider == "local" else _LOCAL_ONLY
        wrong = sorted(foreign & self.model_fields_set)
        if wrong:
            raise ValueError(f'does not take {", ".join(wrong)} with provider = "{self.provider}"; remove it.')
        if self.provider == "openai" and not self.model:
            raise ValueError('needs model = "…", the provider\'s own name for it.')
        if self.provider == "local":
            self._fit_the_window(self.context_tokens // self.parallel)
        return self

    def _fit_the_window(self, window: int) -> None:
        """A quarter of the window for an answer, unless the file says otherwise."""
        if "max_output_tokens" not in self.model_fields_set:
            object.__setattr__(self, "max_output_tokens", max(1, window // 4))
        elif self.max_output_tokens >= window:
            raise ValueError(f"max_output_tokens must be below {window}, the window of one answer.")

    def candidate_policy(self) -> CandidatePolicy:
        """What the chain expects of this model."""
        return CandidatePolicy(
            first_token_timeout_s=self.first_token_timeout_s,
            idle_timeout_s=self.idle_timeout_s,
            max_output_tokens=self.max_output_tokens,
            continuation=self.continuation,
        )

    def local_policy(self, data_dir: Path | None = None) -> "LocalModelPolicy":
        """How a `local` model's process is run; weights may lie in the user's data folder."""
        from yaoki.llm.local import LocalModelPolicy  # noqa: PLC0415 - only who runs a model pays for the import

        return LocalModelPolicy(
            path=Path(self.path) if self.path else None,
            context_tokens=self.context_tokens,
            threads=self.threads,
            parallel=self.parallel,
            data_dir=data_dir,
        )


_LOCAL_ONLY = frozenset({"path", "context_tokens", "threads", "parallel"})
_REMOTE_ONLY = frozenset({"base_url", "api_key_env"})


class AgentSettings(Section):
    """Who answers: a model (with its fallbacks) and what it is told to be."""

    model: Name
    instructions: str = "You are a helpful assistant. Answer briefly and plainly."


class LimitSettings(Section):
    """Bounds that keep one client, one turn or one stop from hurting the rest.

    Attributes:
        body_bytes: Largest request body.
        message_chars: Longest message.
        drain_s: Seconds that running turns get to end when the server stops.
        heartbeat_s: Seconds between two heartbeats of an event stream.
        send_timeout_s: Seconds that a client may leave its stream unread.
        turn_deadline_s: Seconds from a turn's start to its end, whatever happens.
        turn_attempts: Model requests of one turn in all, the first included.
    """

    body_bytes: Annotated[int, Field(ge=1024, le=1_073_741_824)] = 1_048_576
    message_chars: Annotated[int, Field(ge=1, le=10_000_000)] = 32_000
    drain_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    heartbeat_s: Annotated[float, Field(ge=0.1, le=60)] = 5.0
    send_timeout_s: Seconds = 10.0
    turn_deadline_s: Seconds = 180.0
    turn_attempts: Annotated[int, Field(ge=1, le=100)] = 6


class BreakerSettings(Section):
    """`threshold` failures in a row open the breaker for `break_s` seconds."""

    threshold: Annotated[int, Field(ge=1, le=10_000)] = BREAKER_THRESHOLD
    break_s: Seconds = BREAKER_BREAK_S

    def policy(self) -> BreakerPolicy:
        """What `resilience` makes a breaker of."""
        return BreakerPolicy(threshold=self.threshold, break_s=self.break_s)


class RetrySettings(Section):
    """At most `max_attempts` calls, the first included; `delay_s` before the second, times `backoff` for each more."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    delay_s: Seconds = 1.0
    backoff: Annotated[float, Field(ge=1, le=100)] = 2.0


class BulkheadSettings(Section):
    """At most `max_concurrent` calls at the same time."""

    max_concurrent: Count = 10


class RecoverySettings(Section):
    """At most `max_attempts` recoveries within `window_s` seconds."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    window_s: Seconds = 300.0


SINGLE: dict[str, type[Section]] = {"server": ServerSettings, "store": StoreSettings, "limits": LimitSettings}
"""Sections of plain keys; their scalars are also read from the environment."""

NAMED: dict[str, type[Section]] = {
    "models": ModelSettings,
    "agents": AgentSettings,
    "breakers": BreakerSettings,
    "retry": RetrySettings,
    "bulkheads": BulkheadSettings,
    "recovery": RecoverySettings,
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
