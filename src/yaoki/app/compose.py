"""Settings → objects, in the order in which they need each other; closed in the opposite order."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yaoki.errors import ConfigurationError, SessionStoreUnavailableError
from yaoki.llm.answer_cache import AnswerCache
from yaoki.llm.chain.candidates import Candidate, Price
from yaoki.llm.chain.chain import Chain, ChainPolicy
from yaoki.llm.chain.prices import free, list_price
from yaoki.llm.deltas import Upstream
from yaoki.llm.upstreams.keys import KeyedUpstream
from yaoki.llm.upstreams.upstreams import openai_upstream
from yaoki.llm.wire.connections import OPENAI_URL
from yaoki.monitoring.loop_watchdog import LoopWatchdog
from yaoki.monitoring.metrics import Metrics
from yaoki.orchestrator import Orchestrator
from yaoki.resilience.breaker import CircuitBreaker
from yaoki.resilience.notices import Notices
from yaoki.resilience.registry import GUARDS
from yaoki.settings import ModelSettings, Settings
from yaoki.store.contract import Turn
from yaoki.store.store import Store, open_store
from yaoki.turns.local_runner import LocalRunner
from yaoki.turns.turn import AgentPolicy, TurnRun

if TYPE_CHECKING:
    from yaoki.llm.local import LocalModel

_FEWEST_CHARS_PER_TOKEN = 3
"""So cautious that a conversation of so many characters really fits the window; four is usual."""
_PRICED_AS = {"bedrock": "aws"}
"""Providers that the table of prices knows by another name."""
_PURGE_EVERY_S = 24 * 3600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Application:
    """Everything of one running instance.

    Agents and the base URL share the `chains`, named by their first models, and the cache of `answers`.
    """

    settings: Settings
    store: Store
    models: Mapping[str, "LocalModel"]
    chains: Mapping[str, Chain]
    answers: AnswerCache
    runner: LocalRunner
    orchestrator: Orchestrator
    metrics: Metrics


@asynccontextmanager
async def composed(settings: Settings) -> AsyncGenerator[Application, None]:
    """Build an instance, take up the turns that an earlier one left open, and close everything at the end.

    Raises:
        ConfigurationError: The database, a key or a file of a model cannot be used.
    """
    settings.require_all(os.environ)
    settings.configure(GUARDS)
    async with AsyncExitStack() as closing:
        store = await open_store(settings.store.path)
        closing.push_async_callback(store.aclose)
        notices = Notices()
        models = await _embedded(settings, notices, closing)
        candidates, chains = _chains(settings, models, notices, closing)
        answers = AnswerCache(settings.cache.policy())
        agents = {name: _agent(name, settings, chains, answers) for name in settings.agents}

        def begin(turn: Turn) -> TurnRun:
            return TurnRun(turn, agents.get(turn.agent) or agents[settings.default_agent], store, notices=notices)

        runner = LocalRunner(store, begin)
        closing.push_async_callback(runner.aclose)
        names = (settings.default_agent, *(name for name in agents if name != settings.default_agent))
        orchestrator = Orchestrator(
            store, runner, names, notes=lambda: {f"model {name}": _state(model) for name, model in models.items()}
        )
        watchdog = closing.enter_context(LoopWatchdog(notices))
        metrics = Metrics(
            notices,
            GUARDS,
            breakers=[candidate.breaker for candidate in candidates.values()],
            figures={
                "yaoki_loop_lag_seconds": ("How late the event loop is.", lambda: watchdog.lag_s),
                "yaoki_tasks": ("Tasks of the event loop.", lambda: len(asyncio.all_tasks())),
                "yaoki_turns_running": ("Turns under way.", lambda: runner.running),
            },
        )
        closing.callback(metrics.close)
        housekeeping = asyncio.create_task(_housekeeping(store, settings.store.keep_days), name="housekeeping")
        closing.callback(housekeeping.cancel)
        taken_up = await runner.start()
        if taken_up:
            _log.info("Going on with what an earlier run left open in %d sessions.", taken_up)
        yield Application(settings, store, models, chains, answers, runner, orchestrator, metrics)


async def _embedded(settings: Settings, notices: Notices, closing: AsyncExitStack) -> dict[str, "LocalModel"]:
    """The models that run in processes of ours, started."""
    models = {
        name: _local(name, settings, notices) for name, model in settings.models.items() if model.provider == "local"
    }
    for model in models.values():
        closing.push_async_callback(model.aclose)
    await _start_models(models, alone=len(models) == len(settings.models))
    return models


def _chains(
    settings: Settings, models: Mapping[str, "LocalModel"], notices: Notices, closing: AsyncExitStack
) -> tuple[dict[str, Candidate], dict[str, Chain]]:
    """A candidate of each model, and the chain that begins with it."""
    candidates = {name: _candidate(name, settings, models, notices) for name in settings.models}
    for candidate in candidates.values():
        closing.push_async_callback(candidate.upstream.aclose)
    chains = {name: _chain(name, settings, candidates, notices) for name in settings.models}
    for chain in chains.values():
        closing.push_async_callback(chain.aclose)
        chain.warm()
    return candidates, chains


def _local(name: str, settings: Settings, notices: Notices) -> "LocalModel":
    from yaoki.llm.local import LocalModel  # noqa: PLC0415 - only who runs embedded models needs the extra for them

    return LocalModel(name, settings.models[name].local_policy(settings.data_dir), notices=notices)


async def _start_models(models: Mapping[str, "LocalModel"], *, alone: bool) -> None:
    """Start the embedded models; one that cannot be started is a candidate that is down.

    Raises:
        ConfigurationError: None can be started, and there is no other model.
    """
    refusals: list[ConfigurationError] = []
    for model in models.values():
        try:
            await model.start()
        except ConfigurationError as error:
            _log.warning("The model %s is not available: %s", model.name, error)
            refusals.append(error)
    if alone and refusals and len(refusals) == len(models):
        raise refusals[0]


def _state(model: "LocalModel") -> str:
    return f"{model.state}: {model.reason}" if model.reason not in ("", model.state) else str(model.state)


def _candidate(name: str, settings: Settings, models: Mapping[str, "LocalModel"], notices: Notices) -> Candidate:
    return Candidate(
        name=name,
        upstream=_upstream(settings.models[name], models.get(name)),
        breaker=CircuitBreaker(name, settings.breaker(name).policy(), notices=notices),
        policy=settings.models[name].candidate_policy(),
        price=_price(settings.models[name]),
    )


def _price(model: ModelSettings) -> Price:
    match model.provider:
        case "local":
            return free
        case "openai":
            return list_price(model.model, model.base_url or OPENAI_URL)
        case provider:
            return list_price(model.model, model.base_url, _PRICED_AS.get(provider, provider))


def _upstream(model: ModelSettings, local: "LocalModel | None") -> Upstream:
    if local is not None:
        from yaoki.llm.local import LocalUpstream  # noqa: PLC0415 - see `_local`

        return LocalUpstream(local, max_output_tokens=model.max_output_tokens)
    keys = [os.environ.get(variable, "") for variable in model.key_variables] or [""]
    upstreams = [_keyed(model, key) for key in keys]
    return KeyedUpstream(upstreams) if len(upstreams) > 1 else upstreams[0]


def _keyed(model: ModelSettings, key: str) -> Upstream:
    if model.provider == "openai":
        return openai_upstream(
            model=model.model,
            base_url=model.base_url or OPENAI_URL,
            api_key=key,
            max_output_tokens=model.max_output_tokens,
        )
    from yaoki.llm.upstreams.providers import provider_upstream  # noqa: PLC0415 - only who names one pays for the import

    return provider_upstream(
        model.provider,
        model=model.model,
        base_url=model.base_url,
        api_key=key,
        max_output_tokens=model.max_output_tokens,
    )


def _chain(name: str, settings: Settings, candidates: Mapping[str, Candidate], notices: Notices) -> Chain:
    model = settings.models[name]
    return Chain(
        [candidates[model] for model in settings.chain_of(name)],
        policy=ChainPolicy(on_output_limit=model.on_output_limit, on_overflow=model.on_overflow),
        on_filter=candidates.get(model.on_filter),
        notices=notices,
    )


def _agent(name: str, settings: Settings, chains: Mapping[str, Chain], answers: AnswerCache) -> AgentPolicy:
    agent = settings.agents[name]
    return AgentPolicy(
        name=name,
        instructions=agent.instructions,
        chain=chains[agent.model],
        deadline_s=settings.limits.turn_deadline_s,
        max_attempts=settings.limits.turn_attempts,
        max_tokens=settings.limits.turn_tokens or None,
        max_cost_usd=settings.limits.turn_usd or None,
        language=agent.language,
        degraded=agent.degraded,
        answers=answers,
        context_chars=_context_chars([settings.models[model] for model in settings.chain_of(agent.model)]),
    )


def _context_chars(models: list[ModelSettings]) -> int:
    """Characters of earlier conversation that fit the smallest known window beside an answer."""
    windows = [m.context_tokens // m.parallel - m.max_output_tokens for m in models if m.provider == "local"]
    return max(0, min(windows, default=32_000)) * _FEWEST_CHARS_PER_TOKEN


async def _housekeeping(store: Store, keep_days: int) -> None:
    """Erase what is older than the settings keep, now and once a day."""
    while keep_days:
        try:
            if erased := await store.retention.purge(keep_days):
                _log.info("Erased %d sessions without activity for %d days.", erased, keep_days)
        except SessionStoreUnavailableError as error:
            _log.warning("Old sessions could not be erased: %s", error)
        await asyncio.sleep(_PURGE_EVERY_S)
