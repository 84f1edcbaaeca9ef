"""The answer cache for one turn: its key, and when an earlier answer may be used or kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic_ai.messages import ModelMessage, ModelResponse, SystemPromptPart, TextPart, ThinkingPart, UserPromptPart

from yaoki.llm.answer_cache import AnswerCache, CachedAnswer
from yaoki.llm.chain.chain import Chain

_TOLD = (TextPart, SystemPromptPart, UserPromptPart)


@dataclass(frozen=True, slots=True)
class EarlierAnswers:
    """The cache as one turn sees it.

    Args:
        key: None where nothing may be kept or used: with tools in the conversation, an answer is more than its words.
    """

    cache: AnswerCache
    key: bytes | None

    @classmethod
    def of(
        cls, cache: AnswerCache, owner: str, agent: tuple[str, str], chain: Chain, messages: Sequence[ModelMessage]
    ) -> "EarlierAnswers":
        """For a turn of `owner`, whose agent has a name and instructions, and which is told these messages."""
        if not cache.enabled or any(not _is_plain(message) for message in messages):
            return cls(cache, None)
        names = [candidate.name for candidate in chain.candidates]
        return cls(cache, cache.key(owner, "\n".join(agent), names, list(_told(messages))))

    def find(self) -> CachedAnswer | None:
        """The answer that was given to the same conversation before, if there is one."""
        return self.cache.get(self.key) if self.key is not None else None

    def keep(self, response: ModelResponse) -> None:
        """Keep a whole answer."""
        if self.key is not None and _is_plain(response):
            text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
            self.cache.put(self.key, text, response.model_name or "")


def _is_plain(message: ModelMessage) -> bool:
    """Whether it is nothing but words."""
    return all(
        isinstance(part, ThinkingPart) or (isinstance(part, _TOLD) and isinstance(part.content, str))
        for part in message.parts
    )


def _told(messages: Sequence[ModelMessage]) -> Iterator[list[str]]:
    for message in messages:
        for part in message.parts:
            if isinstance(part, _TOLD):
                yield [part.part_kind, str(part.content)]
