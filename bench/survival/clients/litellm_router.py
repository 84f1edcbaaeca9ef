"""LiteLLM's Router with a fallback, without and with its continuation in mid-stream."""

from typing import Any

import litellm
from litellm import Router

from bench.survival.asking import MAX_TOKENS, QUESTION, TIMEOUT_S, TOOL, Cell, Heard
from bench.survival.clients.streams import take

litellm.suppress_debug_info = True


async def plain(cell: Cell, heard: Heard) -> None:
    """As it comes."""
    await _ask(cell, heard, enable_mid_stream_fallback_continuation=False)


async def continuing(cell: Cell, heard: Heard) -> None:
    """With its option for continuation, both models marked as honouring a prefill."""
    await _ask(cell, heard, enable_mid_stream_fallback_continuation=True)


async def _ask(cell: Cell, heard: Heard, **options: bool) -> None:
    models = [_model("first", cell.base_url), _model("next", cell.fallback_url)]
    router = Router(
        model_list=models,
        fallbacks=[{"first": ["next"]}],
        timeout=TIMEOUT_S,
        stream_timeout=TIMEOUT_S,
        **options,
    )
    tools = {"tools": [TOOL]} if cell.tool else {}
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    stream = await router.acompletion(model="first", messages=messages, stream=True, max_tokens=MAX_TOKENS, **tools)
    await take(stream, heard)


def _model(name: str, url: str) -> dict[str, Any]:
    params = {"model": f"openai/{name}", "api_base": url, "api_key": "k"}
    return {"model_name": name, "litellm_params": params, "model_info": {"supports_assistant_prefill": True}}
