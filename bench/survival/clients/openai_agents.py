"""The OpenAI Agents SDK, set to chat completions. It has no fallback of its own."""

import json

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled

from bench.survival.asking import MAX_TOKENS, QUESTION, Cell, Heard
from bench.survival.clients.openai_client import openai_client

set_tracing_disabled(disabled=True)


async def streamed(cell: Cell, heard: Heard) -> None:
    """Streamed, with its tool if one is wanted."""

    @function_tool
    def charge(amount: int, currency: str) -> str:
        """Charge somebody."""
        heard.calls.append(("charge", json.dumps({"amount": amount, "currency": currency})))
        return "charged"

    async with openai_client(cell.base_url) as client:
        agent = Agent(
            name="a",
            model=OpenAIChatCompletionsModel(model=cell.model, openai_client=client),
            model_settings=ModelSettings(max_tokens=MAX_TOKENS),
            tools=[charge] if cell.tool else [],
        )
        result = Runner.run_streamed(agent, QUESTION)
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                heard.text += event.data.delta
            if event.type == "raw_response_event" and event.data.type == "response.refusal.delta":
                heard.refusal += event.data.delta
