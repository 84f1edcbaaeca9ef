"""A pydantic-ai agent on two models: by its own FallbackModel, and by Yaoki's chain."""

from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from bench.survival.asking import DEADLINE_S, MAX_TOKENS, QUESTION, TIMEOUT_S, Cell, Heard
from bench.survival.clients.openai_client import openai_client
from yaoki.integrations.pydantic_ai import RunLimits, resilient
from yaoki.llm.chain.candidates import CandidatePolicy


async def fallback_model(cell: Cell, heard: Heard) -> None:
    """Streamed, on FallbackModel."""
    await _stream(_agent(FallbackModel(*_models(cell)), cell, heard), heard)


async def chain(cell: Cell, heard: Heard) -> None:
    """Streamed, on the chain."""
    await _stream(_agent(_chain(cell), cell, heard), heard)


async def chain_whole(cell: Cell, heard: Heard) -> None:
    """Not streamed, on the chain."""
    result = await _agent(_chain(cell), cell, heard).run(QUESTION)
    heard.text, heard.finish = result.output, result.response.finish_reason


async def _stream(agent: Agent[None, str], heard: Heard) -> None:
    async with agent.run_stream(QUESTION) as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            heard.text += piece
        heard.finish = result.response.finish_reason


def _agent(model: Model, cell: Cell, heard: Heard) -> Agent[None, str]:
    agent = Agent(model, model_settings=ModelSettings(max_tokens=MAX_TOKENS))
    if cell.tool:

        @agent.tool_plain
        def charge(amount: int, currency: str) -> str:
            heard.calls.append(("charge", f'{{"amount": {amount}, "currency": "{currency}"}}'))
            return "charged"

    return agent


def _chain(cell: Cell) -> Model:
    policy = CandidatePolicy(first_token_timeout_s=TIMEOUT_S, idle_timeout_s=TIMEOUT_S, max_output_tokens=MAX_TOKENS)
    return resilient(*_models(cell), limits=RunLimits(deadline_s=DEADLINE_S), policy=policy)


def _models(cell: Cell) -> list[Model]:
    return [_model("first", cell.base_url), _model("next", cell.fallback_url)]


def _model(name: str, url: str) -> Model:
    return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=openai_client(url)))
