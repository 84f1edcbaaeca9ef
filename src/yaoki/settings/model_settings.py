"""A table [models.NAME]."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from yaoki.llm.chain.candidates import CandidatePolicy
from yaoki.llm.local.policy import usable_cores
from yaoki.settings.section import Count, Name, Seconds, Section

if TYPE_CHECKING:
    from yaoki.llm.local import LocalModelPolicy

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOCAL_ONLY = frozenset({"path", "threads", "parallel"})
_REMOTE_ONLY = frozenset({"base_url", "api_key_env", "more_api_key_envs"})


class ModelSettings(Section):
    """One candidate that may answer.

    Attributes:
        provider: `openai` for anything that speaks OpenAI's protocol (Ollama, vLLM, llama.cpp …), `local` for a model
            that Yaoki runs itself, or one of pydantic-ai's providers, whose SDK has to be installed.
        model: The provider's own name for it; not needed for `local`.
        base_url: Where it is served; empty: the provider itself.
        api_key_env: Name of the environment variable that holds the key; empty: none is sent.
        more_api_key_envs: Further such names; their keys are used in turn while an earlier one is refused or spent.
        fallbacks: Names of other tables [models], in the order to try them.
        move_back_s: Seconds for which others are asked first once it is slow for its own usual measure; 0: never.
        hedge_share: 0.0–1.0 of its calls whose first token is late may start the next model, too; 0.0: none.
        continuation: How a cut answer goes on: prefill, instruction, off, or auto (prefill where a probe shows that
            it is honoured).
        on_output_limit: What becomes of an answer at its output limit: say (it ends there and says so), or continue.
        on_overflow: What becomes of a conversation that no window holds: compact (its oldest turns are left out, which
            is said), or say (nobody can answer it).
        on_filter: The model that is asked when a provider's content policy ends an answer; empty: that is said.
        path: `local`: a GGUF file; empty: the SmolLM2 weights of `yaoki models install`.
        context_tokens: Size of the model's window; for a provider only if it is known, to pick a larger one.
        threads: `local`: CPU threads; 0: half of the cores.
        parallel: `local`: answers at the same time; they share the window.
    """

    provider: Literal["openai", "local", "anthropic", "google", "groq", "mistral", "cohere", "bedrock"]
    model: str = ""
    base_url: str = ""
    api_key_env: str = ""
    more_api_key_envs: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    fallbacks: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    first_token_timeout_s: Seconds = 10.0
    idle_timeout_s: Seconds = 5.0
    max_output_tokens: Count = 4096
    move_back_s: Annotated[float, Field(ge=0, le=3_600)] = 30.0
    hedge_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    continuation: Literal["auto", "prefill", "instruction", "off"] = "auto"
    on_output_limit: Literal["say", "continue"] = "say"
    on_overflow: Literal["compact", "say"] = "compact"
    on_filter: str = ""
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

    @field_validator("more_api_key_envs")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cls._a_name(name) for name in names)

    @property
    def key_variables(self) -> tuple[str, ...]:
        """Names of the variables that hold its keys, in the order to use them."""
        return tuple(filter(None, (self.api_key_env, *self.more_api_key_envs)))

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
        if self.provider != "local" and not self.model:
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
            context_tokens=self._window,
            move_back_s=self.move_back_s,
            hedge_share=self.hedge_share,
            reads_along=self.provider == "local" and usable_cores() > 1,
        )

    @property
    def _window(self) -> int | None:
        if self.provider == "local":
            return self.context_tokens // self.parallel
        return self.context_tokens if "context_tokens" in self.model_fields_set else None

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
