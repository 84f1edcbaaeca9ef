"""Who is asked, and how: one line each."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from bench.survival import environments
from bench.survival.asking import Cell
from bench.survival.environments import AGENTS, LITELLM, PORTKEY, python_with
from bench.survival.stage import FALLBACKS, Pair
from yaoki.faults.script import Behaviour


def _own_python() -> Path:
    return Path(sys.executable)


def _no_gateway(_pairs: dict[str, Pair]) -> AbstractContextManager[str]:
    return nullcontext("")


def _no_headers(_pair: Pair) -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One column of the matrix.

    Attributes:
        name: Its key in results, and on the command line.
        title: What readers see.
        column: The same, short.
        client: `module:function` of `bench.survival.clients`.
        versions: What was measured.
        python: The interpreter that has the client's library.
        gateway: Runs what stands between client and providers.
        headers: What that gateway wants with each request.
        fallbacks: The kinds of fallback that it is tried with.
        lot: Cases at once; a server that learns at its start what each of its models can do wants fewer.
    """

    name: str
    title: str
    column: str
    client: str
    versions: str
    python: Callable[[], Path] = _own_python
    gateway: Callable[[dict[str, Pair]], AbstractContextManager[str]] = _no_gateway
    headers: Callable[[Pair], dict[str, str]] = _no_headers
    fallbacks: tuple[Behaviour, ...] = field(default=("honour",))
    lot: int = 165

    @property
    def plain_title(self) -> str:
        """Without markup."""
        return self.title.replace("`", "")

    def cell(self, pair: Pair, gateway: str) -> Cell:
        """The question for a pair of providers."""
        return Cell(
            id=pair.case.id,
            base_url=gateway or pair.faulty.base_url,
            model=pair.case.id if self.gateway is environments.yaoki else "first",
            fallback_url=pair.healthy.base_url,
            headers=self.headers(pair),
            gateway=bool(gateway),
            tool=pair.case.tool,
            bound_s=pair.case.bound_s,
            alone=pair.case.alone,
        )


def _litellm() -> Path:
    return python_with("litellm-router", LITELLM)


def _agents() -> Path:
    return python_with("openai-agents", AGENTS)


_SDK, _PYDANTIC = f"openai {version('openai')}", f"pydantic-ai {version('pydantic-ai-slim')}"
_YAOKI_LOT = 60
_YAOKI = f"yaoki {version('yaoki')}"

SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject(
            name="yaoki-v1-streamed",
            title="Yaoki `/v1`, streamed",
            column="`/v1` streamed",
            client="sdk:streamed",
            versions=f"{_YAOKI}, {_SDK}",
            gateway=environments.yaoki,
            lot=_YAOKI_LOT,
            fallbacks=FALLBACKS,
        ),
        Subject(
            name="yaoki-v1",
            title="Yaoki `/v1`, not streamed",
            column="`/v1`",
            client="sdk:whole",
            versions=f"{_YAOKI}, {_SDK}",
            gateway=environments.yaoki,
            lot=_YAOKI_LOT,
            fallbacks=FALLBACKS,
        ),
        Subject(
            name="yaoki-agent-streamed",
            title="Yaoki in a pydantic-ai Agent, streamed",
            column="Agent streamed",
            client="pydantic_agent:chain",
            versions=f"{_YAOKI}, {_PYDANTIC}",
            fallbacks=FALLBACKS,
        ),
        Subject(
            name="yaoki-agent",
            title="Yaoki in a pydantic-ai Agent, not streamed",
            column="Agent",
            client="pydantic_agent:chain_whole",
            versions=f"{_YAOKI}, {_PYDANTIC}",
            fallbacks=FALLBACKS,
        ),
        Subject(
            name="litellm-continuing",
            title="LiteLLM Router with continuation",
            column="LiteLLM cont.",
            client="litellm_router:continuing",
            versions=LITELLM[0],
            python=_litellm,
            fallbacks=FALLBACKS,
        ),
        Subject(
            name="litellm",
            title="LiteLLM Router",
            column="LiteLLM",
            client="litellm_router:plain",
            versions=LITELLM[0],
            python=_litellm,
        ),
        Subject(
            name="fallback-model",
            title="pydantic-ai FallbackModel",
            column="FallbackModel",
            client="pydantic_agent:fallback_model",
            versions=_PYDANTIC,
        ),
        Subject(
            name="portkey",
            title="Portkey gateway",
            column="Portkey",
            client="sdk:streamed",
            versions=f"@portkey-ai/gateway {PORTKEY}",
            gateway=environments.portkey,
            headers=environments.portkey_headers,
        ),
        Subject(
            name="openai-agents",
            title="OpenAI Agents SDK (no fallback)",
            column="Agents SDK",
            client="openai_agents:streamed",
            versions=AGENTS[0],
            python=_agents,
        ),
        Subject(
            name="openai-sdk",
            title="openai SDK alone (no fallback)",
            column="openai SDK",
            client="sdk:bare",
            versions=_SDK,
        ),
    )
}
