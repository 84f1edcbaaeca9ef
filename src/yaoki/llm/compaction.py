"""Shorter conversations for windows that are too small: the oldest whole turns go first.

A turn begins with a person's message. Instructions stay, and so does the newest turn as it is, with every call that is
still open in it; a call is never parted from its result.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelRequest, SystemPromptPart, UserPromptPart


class Compactor:
    """What one turn has learnt about how much of its conversation the models can hold.

    Attributes:
        left_out: So many of the oldest turns are left out of every request.
    """

    def __init__(self) -> None:
        self.left_out = 0

    def fitted(self, messages: Sequence[ModelMessage]) -> list[ModelMessage]:
        """The messages without the turns that are left out."""
        turns = list(_turns(messages))
        return [*_prompts(turns[: self.left_out]), *(message for turn in turns[self.left_out :] for message in turn)]

    def shrink(self, messages: Sequence[ModelMessage]) -> bool:
        """Leave out about half of what is still told, whole turns of it; False if only the newest turn is left."""
        sizes = [size_of(turn) for turn in _turns(messages)][self.left_out :]
        if len(sizes) < 2:
            return False
        goal, gone = sum(sizes) / 2, 0
        for count, size in enumerate(sizes[:-1], 1):
            gone += size
            if gone >= goal or count == len(sizes) - 1:
                self.left_out += count
                break
        return True


def size_of(messages: Sequence[ModelMessage]) -> int:
    """About how many characters the messages have."""
    return len(ModelMessagesTypeAdapter.dump_json(list(messages)))


def _turns(messages: Sequence[ModelMessage]) -> Iterator[list[ModelMessage]]:
    turn: list[ModelMessage] = []
    for message in messages:
        if turn and _is_question(message):
            yield turn
            turn = []
        turn.append(message)
    if turn:
        yield turn


def _is_question(message: ModelMessage) -> bool:
    return isinstance(message, ModelRequest) and any(isinstance(part, UserPromptPart) for part in message.parts)


def _prompts(turns: Sequence[Sequence[ModelMessage]]) -> Iterator[ModelMessage]:
    """The instructions inside turns that are left out."""
    for message in (message for turn in turns for message in turn if isinstance(message, ModelRequest)):
        parts = [part for part in message.parts if isinstance(part, SystemPromptPart)]
        if parts:
            yield replace(message, parts=parts)
