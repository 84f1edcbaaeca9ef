"""Shorter conversations for windows that are too small: the oldest whole turns go first.

A turn begins with a person's message. Instructions stay, and so does the newest turn as it is, with every call that is
still open in it; a call is never parted from its result.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelRequest, SystemPromptPart, UserPromptPart

M = TypeVar("M")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape(Generic[M]):
    """What has to be known of messages to leave some of them out.

    Attributes:
        begins_turn: Whether a message is a person's.
        instructions: What has to stay of a message that is left out, if anything.
        size: About how many characters some messages have.
    """

    begins_turn: Callable[[M], bool]
    instructions: Callable[[M], M | None]
    size: Callable[[Sequence[M]], int]


class Compactor(Generic[M]):
    """What one answer has learnt about how much of its conversation the models can hold.

    Attributes:
        left_out: So many of the oldest turns are left out of every request.
    """

    def __init__(self, shape: Shape[M]) -> None:
        self.left_out = 0
        self._shape = shape

    def fitted(self, messages: Sequence[M]) -> list[M]:
        """The messages without the turns that are left out."""
        turns = list(self._turns(messages))
        gone = (message for turn in turns[: self.left_out] for message in turn)
        kept = (self._shape.instructions(message) for message in gone)
        told = (message for turn in turns[self.left_out :] for message in turn)
        return [*(message for message in kept if message is not None), *told]

    def shrink(self, messages: Sequence[M]) -> bool:
        """Leave out about half of what is still told, whole turns of it; False if only the newest turn is left."""
        sizes = [self._shape.size(turn) for turn in self._turns(messages)][self.left_out :]
        if len(sizes) < 2:
            return False
        goal, gone = sum(sizes) / 2, 0
        for count, size in enumerate(sizes[:-1], 1):
            gone += size
            if gone >= goal or count == len(sizes) - 1:
                self.left_out += count
                break
        return True

    def _turns(self, messages: Sequence[M]) -> Iterator[list[M]]:
        turn: list[M] = []
        asked = False
        for message in messages:
            asks = self._shape.begins_turn(message)
            if asks and asked:
                yield turn
                turn = []
            turn.append(message)
            asked = asked or asks
        if turn:
            yield turn


def _is_question(message: ModelMessage) -> bool:
    return isinstance(message, ModelRequest) and any(isinstance(part, UserPromptPart) for part in message.parts)


def _prompts(message: ModelMessage) -> ModelMessage | None:
    parts = [part for part in message.parts if isinstance(part, SystemPromptPart)]
    return replace(message, parts=parts) if parts and isinstance(message, ModelRequest) else None


def _size(messages: Sequence[ModelMessage]) -> int:
    return len(ModelMessagesTypeAdapter.dump_json(list(messages)))


AGENTS_MESSAGES: Shape[ModelMessage] = Shape(begins_turn=_is_question, instructions=_prompts, size=_size)
"""What pydantic-ai's agents say."""
