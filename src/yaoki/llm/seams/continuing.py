"""How a backend is asked to go on with half an answer: the same words and fields for every face of the chain."""

from collections.abc import Awaitable, Callable
from typing import Any

from yaoki.errors import ModelInferenceError
from yaoki.llm.deltas import HalfAnswer
from yaoki.llm.failures import refuses_request
from yaoki.llm.seams.shown import anchor_of

PLAIN_PREFILL: dict[str, Any] = {}
VLLM_PREFILL: dict[str, Any] = {"continue_final_message": True, "add_generation_prompt": False}
"""Fields of the request body by which vLLM and its kin go on with the last message instead of beginning another."""

PROBE_QUESTION = "What is the capital of France? Answer in one whole sentence."
PROBE_PREFIX = "The capital of France is"
PROBE_TOKENS = 4
PING = "Say: yes"

CHARS_PER_TOKEN = 4
"""About what a token holds, where nobody has counted."""
_SEAM_TOKENS = 32


def is_prefilled(answer: str) -> bool:
    """Whether the answer to the probe goes on with its prefix, instead of beginning a sentence of its own."""
    return answer.lstrip().startswith("Paris")


class Prefill:
    """How one backend wants a prefill; shared by all who ask it.

    Attributes:
        body: Fields that the request body needs besides the half answer as its last message.
    """

    def __init__(self) -> None:
        self.body = PLAIN_PREFILL

    async def learn(self, goes_on: Callable[[dict[str, Any]], Awaitable[bool]]) -> bool:
        """Try the plain way and vLLM's, and remember which one works; False if neither does.

        Args:
            goes_on: Asks the backend, with these fields, whether it continues a sentence instead of beginning one.

        Raises:
            ModelInferenceError: Nobody knows: the request itself failed.
        """
        for body in (PLAIN_PREFILL, VLLM_PREFILL):
            try:
                if await goes_on(body):
                    self.body = body
                    return True
            except ModelInferenceError as error:
                if not refuses_request(error):
                    raise
        return False


def left_of(limit: int, half: HalfAnswer | None) -> int:
    """What is left of a client's own limit to an answer's length, in tokens, once half of it is there.

    Never less than a seam can be found in.
    """
    return limit if half is None else max(_SEAM_TOKENS, limit - len(half.text) // CHARS_PER_TOKEN)


def instruction(half: HalfAnswer) -> str:
    """The user's message that asks for the rest of an answer, or for its tool call again.

    The last words stand at its very end: small models go on with what stands there, and said the rest of the
    instruction when it came after them (see `docs/benchmarks/seams.md`).
    """
    if half.calling:
        return (
            "The connection was cut while you were calling a tool, after the text above had reached me. "
            "Make the same tool call again now. Write no text: neither what is above nor anything about the cut."
        )
    return (
        "Your last message was cut off in the middle. Send the rest of it, and nothing else. The first words of your "
        "reply must be the last words that arrived, exactly as they are:\n"
        f"{anchor_of(half.text)}"
    )
