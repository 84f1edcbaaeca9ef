"""What pydantic-ai's providers want back with the next request, beside the text of a response."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingDetails:
    """What a provider wants back with its model's reasoning; `key` tells the parts of all streams apart."""

    key: object
    id: str | None = None
    signature: str | None = None
    provider_name: str | None = None
    provider_details: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDetails:
    """What a provider wants back with a tool call."""

    provider_name: str | None = None
    provider_details: dict[str, Any] | None = None
