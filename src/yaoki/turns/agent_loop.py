"""The agent loop on the chain, which may break off anywhere without running a tool twice.

a response that calls tools      is on disk, whole, before any of them runs
what the tools returned          is stored before a model is asked with it
calls without a result           (a crash took it) may have run or not: `conversation` tells the model so, and they
                                 are not run again
"""

from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse

from yaoki.turns.conversation import Conversation, dump
from yaoki.turns.recorder import Recorder


async def converse(agent: Agent[object, Any], conversation: Conversation, recorder: Recorder) -> list[ModelResponse]:
    """Run an agent to its end.

    Args:
        recorder: Stores every response but the last, which is stored with the end of the turn.

    Returns:
        The model's responses, in order.

    Raises:
        AIOrchestrationError: The chain's or the store's. A tool's own errors come out as they are.
    """
    responses: list[ModelResponse] = []
    stored = 0
    async with agent.iter(message_history=conversation.messages) as run:
        async for node in run:
            if Agent.is_model_request_node(node):
                if responses:  # what tools returned, or what is wrong with an answer that must parse
                    await recorder.write(messages=[dump(one) for one in (*responses[stored:], node.request)])
                    stored = len(responses)
                    recorder.begin_message(next(conversation.later_ids), "")
                async with node.stream(run.ctx) as stream:
                    async for _ in stream:
                        pass  # every item has gone through the recorder, in order, before it comes by here
            elif Agent.is_call_tools_node(node):
                responses.append(node.model_response)
                if node.model_response.tool_calls:
                    await recorder.step(dump(node.model_response))
                    stored = len(responses)
    return responses
