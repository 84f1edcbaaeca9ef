"""The demo's left side: the openai SDK with nothing around it, streamed as its documentation shows."""

from importlib.metadata import version
from typing import Any

import httpx2
from openai import AsyncOpenAI, OpenAIError

from yaoki.cli.demo.score import Piece, Transcript
from yaoki.cli.demo.screen import LEFT, Stage
from yaoki.cli.demo.tape import Messages
from yaoki.resilience.clock import SYSTEM_CLOCK

_NO_KEY = "none"
SDK = f"openai {version('openai')}"


async def ask_bare_sdk(stage: Stage, base_url: str, model: str, messages: Messages) -> Transcript:
    """Ask, and believe whatever the SDK says."""
    pieces: list[Piece] = []
    told: dict[str, Any]
    plain: Any = messages  # the SDK's own type is a union of a dozen dictionaries
    http = httpx2.AsyncClient(trust_env=False)  # the server is on this machine: no proxy in between
    async with AsyncOpenAI(base_url=base_url, api_key=_NO_KEY, max_retries=0, http_client=http) as client:
        try:
            async with client.chat.completions.stream(model=model, messages=plain) as stream:
                async for event in stream:
                    if event.type == "content.delta":
                        pieces.append(Piece(SYSTEM_CLOCK.monotonic(), event.delta))
                        stage.show(LEFT, event.delta)
                answer = (await stream.get_final_completion()).choices[0]
            told = {"returned": answer.message.content, "finish_reason": answer.finish_reason}
            end = f"returned, finish_reason={answer.finish_reason!r}"
        except (OpenAIError, httpx2.HTTPError) as error:
            told = {"raised": type(error).__name__, "message": str(error)}
            end = f"raised {type(error).__name__}: {error}"
    stage.note(LEFT, end)
    return Transcript(
        pieces=pieces,
        ends=[end],
        finished=told.get("finish_reason") is not None,
        claims_success="returned" in told,
        told=told,
    )
