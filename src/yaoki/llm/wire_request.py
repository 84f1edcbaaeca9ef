"""What a client of the base URL asks: the body of a chat completion, kept as it came."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One chat completion request.

    Attributes:
        body: OpenAI's JSON. Each upstream sets `model` and the streaming fields for itself; all else goes on untouched.
    """

    body: Mapping[str, Any]
