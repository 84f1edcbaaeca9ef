"""Yaoki inside a pydantic-ai agent: the chain and one budget per run, with one line.

    agent = Agent(resilient("openai-chat:gpt-5", "anthropic:claude-sonnet-4-5"))              # as its model
    agent = Agent("openai-chat:gpt-5", capabilities=[Resilience("anthropic:claude-sonnet-4-5")])   # or as a capability

What is different from a list of fallbacks: a stream without its terminator is no answer, and the next model goes on
from the last word shown. Where no model can join on cleanly, a run that nobody watches begins the answer again; a
stream cannot take back what it has shown, so it raises `ModelTruncatedError` with `facts["fault"] == "seam"`.
"""

from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from pydantic_ai import RunContext
from pydantic_ai.agent.abstract import AbstractAgent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.capabilities.abstract import WrapRunHandler
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse, infer_model
from pydantic_ai.run import AgentRunResult
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import AgentDepsT

from yaoki.errors import ConfigurationSettingError, ModelTruncatedError
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate, CandidatePolicy
from yaoki.llm.chain.chain import Chain, ChainPolicy
from yaoki.llm.chain.prices import list_price
from yaoki.llm.chain_model import ChainModel, Sink
from yaoki.llm.deltas import Item, Restart
from yaoki.llm.pass_through import PassThroughModel
from yaoki.llm.straight import ask_straight
from yaoki.llm.upstreams.watched_model import upstream_of
from yaoki.resilience.ambient import ambient_budget, spending
from yaoki.resilience.breaker import CircuitBreaker
from yaoki.resilience.notices import Notices

_WHOLE_OUTPUTS = ("auto", "native", "prompted")
"""Output modes whose text must parse (with auto, the model decides), so none is shown before all of it is there."""
_ROOMY = CandidatePolicy(max_output_tokens=64_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What one run of an agent may spend; every request and every guarded call inside draws from it.

    Attributes:
        deadline_s: Seconds from the run's start until its last request must have ended, above 0.
        max_attempts: Model requests that may fail, at least 1; those that bring a whole response cost none.
        max_tokens: Of prompts and answers together; None: no limit.
        max_cost_usd: At list prices, where one is known; None: no limit.
    """

    deadline_s: float = 180.0
    max_attempts: int = 12
    max_tokens: int | None = None
    max_cost_usd: float | None = None

    def __post_init__(self) -> None:
        if self.deadline_s <= 0 or self.max_attempts < 1:
            raise ConfigurationSettingError("A run needs a deadline above 0 and at least one attempt.")

    def budget(self) -> TurnBudget:
        """A new budget, which counts from now."""
        return TurnBudget(
            self.deadline_s, self.max_attempts, max_tokens=self.max_tokens, max_cost_usd=self.max_cost_usd
        )


def resilient(
    *models: Model | str,
    limits: RunLimits | None = None,
    policy: CandidatePolicy | None = None,
    ends: ChainPolicy | None = None,
    notices: Notices | None = None,
) -> "ResilientModel":
    """Several models as one that survives.

    Args:
        models: In the order of preference; pydantic-ai's own, or names that it knows. Their SDKs' retries are switched
            off: the chain retries.
        limits: What one run may spend.
        policy: Deadlines and continuation, the same for all of them.
        ends: What is done about an answer that reaches its output limit, unless `max_tokens` of yours set it.
        notices: Who is told of `AttemptFailed`, `FailedOver` and `FirstToken`.

    Raises:
        ConfigurationSettingError: No model, or the same object twice. The same model at two providers is two.

    Example:
        >>> import asyncio
        >>> from pydantic_ai import Agent
        >>> from pydantic_ai.models.test import TestModel
        >>> agent = Agent(resilient(TestModel(custom_output_text="All hands accounted for.")))
        >>> asyncio.run(agent.run("Report.")).output
        'All hands accounted for.'
    """
    inferred = [infer_model(model) for model in models]
    return ResilientModel(inferred, limits=limits, policy=policy, ends=ends, notices=notices)


class ResilientModel(PassThroughModel):
    """A chain of pydantic-ai models. Made by `resilient`; serves any number of runs at once.

    Entering it (an agent does, as its own context) keeps the models' connections open.
    """

    def __init__(
        self,
        models: Sequence[Model],
        *,
        limits: RunLimits | None = None,
        policy: CandidatePolicy | None = None,
        ends: ChainPolicy | None = None,
        notices: Notices | None = None,
    ) -> None:
        super().__init__()
        if not models or len(set(map(id, models))) < len(models):
            raise ConfigurationSettingError("A resilient model needs at least one model, and each of them once.")
        self.models = tuple(models)
        self._model_name = "resilient:" + ",".join(model.model_id for model in models)
        self.limits = limits or RunLimits()
        self.chain = Chain(
            [
                Candidate(
                    name=name,
                    upstream=upstream_of(model),
                    breaker=CircuitBreaker(name, notices=notices),
                    policy=policy or _ROOMY,
                    price=list_price(model.model_name, model.base_url or ""),
                )
                for name, model in zip(_names(models), models, strict=True)
            ],
            policy=ends,
            notices=notices,
        )
        self._entered = AsyncExitStack()
        self._entries = 0

    @property
    def model_name(self) -> str:
        """The models' names, in the order of preference."""
        return self._model_name

    @property
    def system(self) -> str:
        """The chain stands for no provider."""
        return "yaoki"

    def request(  # pyright: ignore[reportIncompatibleMethodOverride] - a coroutine, as from any coroutine function
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> Coroutine[Any, Any, ModelResponse]:
        """The whole answer. Nobody has seen half of it, so a refused seam begins it again.

        No coroutine function itself: pydantic-ai wraps those in what each of the models behind it has anyway.

        Raises:
            ModelAllFailedError: No model could answer.
            AgentTurnBudgetSpentError: The run's budget ended first.
        """
        return self._answer(messages, model_settings, model_request_parameters)

    async def _answer(
        self, messages: list[ModelMessage], settings: ModelSettings | None, parameters: ModelRequestParameters
    ) -> ModelResponse:
        budget = self._budget()
        opened = await ask_straight(self.chain, budget, messages, settings, parameters)
        if isinstance(opened, ModelResponse):
            return opened
        return await self._turn(budget, None, parameters).whole(messages, settings, parameters, opened)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Stream the answer.

        Raises:
            ModelTruncatedError: Out of the iteration: what was shown cannot be continued.
            ModelAllFailedError: Out of the iteration: no model could answer.
            AgentTurnBudgetSpentError: Out of the iteration: the run's budget ended first.
        """
        model = self._turn(self._budget(), _refuse_restart, model_request_parameters)
        async with model.request_stream(messages, model_settings, model_request_parameters, run_context) as response:
            yield response

    async def __aenter__(self) -> Self:
        if not self._entries:
            for model in self.models:
                await self._entered.enter_async_context(model)
        self._entries += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._entries -= 1
        if not self._entries:
            await self._entered.aclose()

    def _budget(self) -> TurnBudget:
        bound = ambient_budget()
        return bound if isinstance(bound, TurnBudget) else self.limits.budget()

    def _turn(self, budget: TurnBudget, sink: Sink | None, parameters: ModelRequestParameters) -> ChainModel:
        return ChainModel(self.chain, budget, sink=sink, hold_text=parameters.output_mode in _WHOLE_OUTPUTS)

    def _refresh_http_client(self) -> None:
        for model in self.models:
            model._refresh_http_client()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as pydantic-ai's own do

    def _run_scope(self) -> AbstractAsyncContextManager[None]:
        """Around a run: what its models need for it, and its budget, unless an outer turn's is bound already."""
        scopes = [model._run_scope() for model in self.models]  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        needed = [scope for scope in scopes if not isinstance(scope, nullcontext)]
        return _RunScope(needed, None if isinstance(ambient_budget(), TurnBudget) else self.limits.budget())


class _RunScope(AbstractAsyncContextManager[None]):
    """Holds what the models of a run need, and binds its budget, if there is one."""

    def __init__(self, needed: Sequence[AbstractAsyncContextManager[None]], budget: TurnBudget | None) -> None:
        self._needed = needed
        self._entered: AsyncExitStack | None = None
        self._spending = nullcontext() if budget is None else spending(budget)

    async def __aenter__(self) -> None:
        if self._needed:
            async with AsyncExitStack() as stack:
                for scope in self._needed:
                    await stack.enter_async_context(scope)
                self._entered = stack.pop_all()
        self._spending.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._spending.__exit__(kind, error, trace)
        return None if self._entered is None else await self._entered.__aexit__(kind, error, trace)


def _names(models: Sequence[Model]) -> list[str]:
    """What people and metrics see; of several with one name, the second is its `#2`."""
    ids = [model.model_id for model in models]
    earlier = [ids[:at].count(one) for at, one in enumerate(ids)]
    return [f"{one}#{count + 1}" if count else one for one, count in zip(ids, earlier, strict=True)]


class _Borrowing(ResilientModel):
    """Wraps an agent's own model for a request: whoever entered that model closes it."""

    async def __aenter__(self) -> Self:
        self._refresh_http_client()  # a run refreshes its own model alone, and may be in another event loop
        return self

    async def __aexit__(self, *_: object) -> None:
        return


@dataclass(init=False)
class Resilience(AbstractCapability[AgentDepsT]):
    """The same as a capability: the agent's own model first, then these.

    An agent without a model starts with the first of them. A model that a run or another capability selects is wrapped
    in the same way, and remembers its failures as long as the capability lives.
    """

    fallbacks: tuple[Model | str, ...]
    limits: RunLimits
    policy: CandidatePolicy | None
    ends: ChainPolicy | None
    notices: Notices | None = field(repr=False)

    def __init__(
        self,
        *fallbacks: Model | str,
        limits: RunLimits | None = None,
        policy: CandidatePolicy | None = None,
        ends: ChainPolicy | None = None,
        notices: Notices | None = None,
    ) -> None:
        super().__init__()
        self.fallbacks = fallbacks
        self.limits = limits or RunLimits()
        self.policy = policy
        self.ends = ends
        self.notices = notices
        self._supplies_model = False
        self._wrappers: dict[str, _Borrowing] = {}

    def for_agent(self, agent: AbstractAgent[AgentDepsT, Any]) -> "Resilience[AgentDepsT]":
        """See `AbstractCapability`: whether the agent has a model of its own is known now."""
        self._supplies_model = agent.model is None
        return self

    def get_model(self) -> Model | str | None:
        """The first of them, for an agent that has none."""
        return self.fallbacks[0] if self._supplies_model and self.fallbacks else None

    def get_wrapper_model(self, model: Model) -> Model | None:
        """The chain of `model` and the fallbacks; None for what is a chain already."""
        if isinstance(model, ResilientModel):
            return None
        if model.model_id not in self._wrappers:
            others = [other for other in map(infer_model, self.fallbacks) if other.model_id != model.model_id]
            self._wrappers[model.model_id] = _Borrowing(
                [model, *others], limits=self.limits, policy=self.policy, ends=self.ends, notices=self.notices
            )
        return self._wrappers[model.model_id]

    async def wrap_run(self, ctx: RunContext[AgentDepsT], *, handler: WrapRunHandler) -> AgentRunResult[Any]:  # noqa: ARG002
        """Bind the run's budget, unless an outer turn's is bound already."""
        if isinstance(ambient_budget(), TurnBudget):
            return await handler()
        with spending(self.limits.budget()):
            return await handler()


async def _refuse_restart(item: Item) -> None:
    if isinstance(item, Restart):
        raise ModelTruncatedError(f"The answer broke off: {item.reason}.", fault="seam")
