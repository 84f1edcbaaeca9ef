"""A chat completion request for a model that does not speak OpenAI: the same question in pydantic-ai's words.

field                                                       becomes
messages, tools, response_format                            messages and request parameters
tool_choice, the limits, stop, reasoning_effort             settings of that meaning
temperature, top_p, top_k, seed, penalties, logit_bias …    settings of that name; who lacks one ignores it
what says nothing about the answer (user, metadata …)       nothing
anything else                                               a refusal, before anything is sent
"""

from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from yaoki.llm.wire.messages import model_messages, unsupported
from yaoki.llm.wire.request import LIMITS, WireRequest

_SAME = (
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "parallel_tool_calls",
)
_CONVERTED = ("messages", "tools", "tool_choice", "response_format", "stop", "reasoning_effort", *LIMITS)
_SAYS_NOTHING = (
    "model",
    "stream",
    "stream_options",
    "n",
    "modalities",
    "user",
    "metadata",
    "store",
    "safety_identifier",
    "prompt_cache_key",
    "service_tier",
)
_KNOWN = frozenset((*_SAME, *_CONVERTED, *_SAYS_NOTHING))
_EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")
_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}
_ANY_OBJECT: dict[str, Any] = {"type": "object"}


def converted(
    request: WireRequest, *, native_json: bool
) -> tuple[list[ModelMessage], ModelRequestParameters, ModelSettings]:
    """Messages, parameters and settings of a request.

    Args:
        native_json: The provider takes a JSON schema; elsewhere the model is told of it in words.

    Raises:
        ModelMalformedError: It cannot be asked in other words than OpenAI's; `facts["fault"]` is `UNSUPPORTED`.
    """
    body = request.body
    for name, value in body.items():
        if name not in _KNOWN and value not in (None, False):
            raise unsupported(name[:100], "is OpenAI's")
    return model_messages(body["messages"]), _parameters(body, native_json=native_json), _settings(body)


def _parameters(body: Mapping[str, Any], *, native_json: bool) -> ModelRequestParameters:
    tools = [_tool(at, tool) for at, tool in enumerate(body.get("tools") or ())]
    output = _output(body.get("response_format") or {"type": "text"})
    if output is None:
        return ModelRequestParameters(function_tools=tools)
    mode: Literal["native", "prompted"] = "native" if native_json and output.json_schema != _ANY_OBJECT else "prompted"
    return ModelRequestParameters(function_tools=tools, output_mode=mode, output_object=output)


def _tool(at: int, tool: Any) -> ToolDefinition:
    match tool:
        case {"type": "function", "function": {"name": str(name), **function}}:
            return ToolDefinition(
                name=name,
                description=_optional(str, function.get("description")),
                parameters_json_schema=_optional(dict, function.get("parameters")) or _NO_ARGUMENTS,
                strict=_optional(bool, function.get("strict")),
            )
        case _:
            raise unsupported(f"tools.{at}", "is no function")


def _output(form: Any) -> OutputObjectDefinition | None:
    match form:
        case {"type": "json_schema", "json_schema": {"schema": schema, **rest}} if isinstance(schema, dict):
            return OutputObjectDefinition(
                json_schema=cast("dict[str, Any]", schema),
                name=_optional(str, rest.get("name")),
                description=_optional(str, rest.get("description")),
                strict=_optional(bool, rest.get("strict")),
            )
        case {"type": "json_object"}:
            return OutputObjectDefinition(json_schema=_ANY_OBJECT)
        case {"type": "text"}:
            return None
        case _:
            raise unsupported("response_format", "has another shape")


def _settings(body: Mapping[str, Any]) -> ModelSettings:
    settings: dict[str, Any] = {name: body[name] for name in _SAME if body.get(name) is not None}
    limits = [body[name] for name in LIMITS if body.get(name)]
    if limits:
        settings["max_tokens"] = min(limits)
    if stop := body.get("stop"):
        settings["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if body.get("tools") and body.get("tool_choice") is not None:
        settings["tool_choice"] = _choice(body["tool_choice"])
    if effort := body.get("reasoning_effort"):
        settings["thinking"] = _effort(effort)
    return cast("ModelSettings", settings)


def _choice(choice: Any) -> str | list[str]:
    match choice:
        case "auto" | "none" | "required" as scalar:
            return scalar
        case {"type": "function", "function": {"name": str(name)}}:
            return [name]
        case _:
            raise unsupported("tool_choice", "has another shape")


def _effort(effort: object) -> str | bool:
    if effort == "none":
        return False
    if effort not in _EFFORTS:
        raise unsupported("reasoning_effort", "is none that is known")
    return cast("str", effort)


def _optional(kind: type[Any], value: Any) -> Any:
    """A value of its kind; anything else is as good as none."""
    return value if isinstance(value, kind) else None
