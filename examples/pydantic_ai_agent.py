"""An agent of yours on two models, with one line more than without Yaoki.

    python examples/pydantic_ai_agent.py                        # two scripted models, the first of which is cut off
    python examples/pydantic_ai_agent.py openai-chat:gpt-5-mini ollama:llama3.2     # your own

Needs `pip install 'yaoki[chain]'`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from yaoki.faults import Script, ScriptedProvider
from yaoki.integrations.pydantic_ai import resilient
from yaoki.llm.chain.notices import FailedOver
from yaoki.resilience import Notices


async def tell(models: Sequence[Model | str]) -> str:
    """Ask the agent, and print the answer as it comes."""
    notices = Notices()
    notices.subscribe(
        FailedOver, lambda notice: print(f"[{notice.from_model} → {notice.to_model}]", end="", flush=True)
    )

    agent = Agent(resilient(*models, notices=notices), instructions="Be brief.")  # instead of Agent(models[0], …)

    answer = ""
    async with agent, agent.run_stream("Tell me about the ships of one night.") as result:
        async for piece in result.stream_text(delta=True):
            print(piece, end="", flush=True)
            answer += piece
    print()
    return answer


@asynccontextmanager
async def scripted() -> AsyncIterator[list[Model]]:
    """Two models on loopback; the first one's stream ends after 120 characters, and its SDK would call that success."""
    async with AsyncExitStack() as stack:
        models: list[Model] = []
        for name, script in (
            ("first", Script(fault="cut_mid_stream", at=120, token_s=0.01)),
            ("second", Script(token_s=0.01)),
        ):
            provider = await stack.enter_async_context(ScriptedProvider(script))
            openai = OpenAIProvider(base_url=provider.base_url, api_key="none")
            models.append(OpenAIChatModel(name, provider=openai))
        yield models


async def main(names: Sequence[str]) -> str:
    """The models that were named, or the scripted ones."""
    if names:
        return await tell(names)
    async with scripted() as models:
        return await tell(models)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
