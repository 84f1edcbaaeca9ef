"""Models that pydantic-ai derives from its OpenAI one: their own SDK layer takes a cut stream for a whole answer."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models import Model
from pydantic_ai.models.cerebras import CerebrasModel
from pydantic_ai.models.concurrency import ConcurrencyLimitedModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentedModel
from pydantic_ai.models.ollama import OllamaModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.openrouter import OpenRouterModel
from pydantic_ai.models.snowflake import SnowflakeModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.cerebras import CerebrasProvider
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openrouter import OpenRouterProvider

from tests.unit.integrations.test_pydantic_ai import QUICK
from yaoki.errors import AIOrchestrationError
from yaoki.faults import ANSWER, Script, ScriptedProvider
from yaoki.integrations.pydantic_ai import resilient
from yaoki.llm.upstreams.watched_model import upstream_of

Kind = Callable[[AsyncOpenAI], OpenAIChatModel]


class Own(OpenAIChatModel):
    """Somebody's own subclass."""


KINDS: dict[str, Kind] = {
    "ollama": lambda client: OllamaModel("llama3.2", provider=OllamaProvider(openai_client=client)),
    "openrouter": lambda client: OpenRouterModel("openai/gpt-5", provider=OpenRouterProvider(openai_client=client)),
    "cerebras": lambda client: CerebrasModel("llama3.3-70b", provider=CerebrasProvider(openai_client=client)),
    "own": lambda client: Own("mine", provider=OpenAIProvider(openai_client=client)),
    "plain": lambda client: OpenAIChatModel("next", provider=OpenAIProvider(openai_client=client)),
}


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def model(stack: AsyncExitStack, kind: Kind, script: Script) -> OpenAIChatModel:
    provider = await stack.enter_async_context(ScriptedProvider(script))
    client = await stack.enter_async_context(AsyncOpenAI(base_url=provider.base_url, api_key="none"))
    return kind(client)


@pytest.mark.requirement("M11", "M13", "P-2")
@pytest.mark.parametrize("fault", ["cut_mid_stream", "done_without_finish", "error_event"])
@pytest.mark.parametrize("kind", ["ollama", "openrouter", "cerebras", "own"])
async def test_a_cut_answer_is_continued_whatever_the_class(stack: AsyncExitStack, kind: str, fault: str) -> None:
    first = await model(stack, KINDS[kind], Script(fault=fault))
    second = await model(stack, KINDS["plain"], Script())
    agent = Agent(resilient(first, second, policy=QUICK))
    assert (await agent.run("How many ships?")).output == ANSWER
    async with agent.run_stream("How many ships?") as result:
        assert "".join([piece async for piece in result.stream_text(delta=True, debounce_by=None)]) == ANSWER


WRAPPINGS: dict[str, Callable[[Model], Model]] = {
    "wrapped": WrapperModel,
    "instrumented": InstrumentedModel,
    "limited": lambda model: ConcurrencyLimitedModel(model, limiter=2),
    "in_a_list": FallbackModel,
}


@pytest.mark.requirement("M11", "P-2")
@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
async def test_a_cut_answer_is_continued_whatever_wraps_the_model(
    stack: AsyncExitStack, wrap: Callable[[Model], Model]
) -> None:
    first = wrap(await model(stack, KINDS["own"], Script(fault="cut_mid_stream")))
    second = wrap(await model(stack, KINDS["plain"], Script()))
    agent = Agent(resilient(first, second, policy=QUICK))
    assert (await agent.run("How many ships?")).output == ANSWER
    async with agent.run_stream("How many ships?") as result:
        assert await result.get_output() == ANSWER


class Count(BaseModel):
    ships: int
    names: list[str]


@pytest.mark.requirement("M27", "P-2")
async def test_output_that_its_model_gives_as_text_is_not_seen_before_it_is_whole(stack: AsyncExitStack) -> None:
    answer = '{"ships": 7, "names": ["Pamir", "Passat", "Peking", "Padua", "Priwall", "Pommern", "Potosi"]}'
    away = Script(answer=answer, prefill="ignore", instruction="talk_over")
    profile = OpenAIModelProfile(default_structured_output_mode="native")
    models = [
        OpenAIChatModel(
            name,
            provider=OpenAIProvider(openai_client=(await model(stack, KINDS["own"], script)).client),
            profile=profile,
        )
        for name, script in (("first", Script(fault="cut_mid_stream", answer=answer)), ("second", away))
    ]
    agent = Agent(resilient(*models, policy=QUICK), output_type=Count)
    async with agent.run_stream("How many ships?") as result:
        assert (await result.get_output()).ships == 7


def test_a_model_that_never_gives_a_finish_reason_is_left_as_it_is() -> None:
    client = AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key="none")
    model = SnowflakeModel("claude-sonnet-4-5", provider=OpenAIProvider(openai_client=client))
    upstream = upstream_of(model)
    assert upstream.model is model
    assert not upstream.verified


async def test_what_one_model_cannot_be_sent_another_is_asked(stack: AsyncExitStack) -> None:
    async def deaf(messages: list[ModelMessage], _info: AgentInfo) -> AsyncIterator[str]:
        if messages:
            raise NotImplementedError("AudioUrl is not supported")
        yield ""

    first = FunctionModel(stream_function=deaf, model_name="deaf")
    chain = resilient(first, await model(stack, KINDS["plain"], Script()), policy=QUICK)
    assert (await Agent(chain).run("How many ships?")).output == ANSWER
    assert chain.chain.candidates[0].healthy


async def test_a_list_around_a_chain_takes_over_where_it_is_told_to(stack: AsyncExitStack) -> None:
    chain = resilient(await model(stack, KINDS["own"], Script(fault="http_500")), policy=QUICK)
    second = FunctionModel(lambda _messages, _info: ModelResponse(parts=[TextPart(ANSWER)]))
    agent = Agent(FallbackModel(chain, second, fallback_on=(ModelAPIError, AIOrchestrationError)))
    assert (await agent.run("How many ships?")).output == ANSWER
    with pytest.raises(AIOrchestrationError) as raised:
        await Agent(chain).run("How many ships?")
    assert isinstance(raised.value.__cause__, AIOrchestrationError)
    assert isinstance(raised.value.__cause__.__cause__, ModelAPIError)
