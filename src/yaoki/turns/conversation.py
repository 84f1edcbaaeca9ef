"""What a model is told: the conversation so far, rebuilt from exact messages and never from what was shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from yaoki.store.contract import Turn
from yaoki.store.events import Reset, Stored, TextDelta, TurnResumed, TurnStarted
from yaoki.store.store import Store

UNKNOWN = "The server stopped while this ran: nobody knows whether it was done. Say so, and do not call it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Where a turn stands.

    Attributes:
        messages: Earlier turns, then this one's own; ends in a request to the model.
        forgotten_turns: How many of the oldest turns no longer fit the model's window.
        damaged_turns: How many earlier turns could not be read and are left out.
        half_answer: What was shown of the answer under way; empty if nothing was.
        held: What had come after it and was not shown.
        message_id: The id of the answer that comes next, or goes on.
        later_ids: The ids of those after it.
        unknown_calls: The tools that this turn called before a crash, and of which nobody knows whether they ran.
    """

    messages: list[ModelMessage]
    forgotten_turns: int
    damaged_turns: int
    half_answer: str
    held: str
    message_id: str
    later_ids: Iterator[str]
    unknown_calls: tuple[str, ...]


def question_of(turn: Turn) -> ModelRequest:
    """The turn's own message as a request to the model."""
    return ModelRequest(parts=[UserPromptPart(turn.content)])


def response_of(text: str) -> ModelResponse:
    """The response that stands for an answer without a model's own end: the text that the person has seen."""
    return ModelResponse(parts=[TextPart(text)])


def dump(message: ModelMessage) -> str:
    """One message in the agent framework's own JSON."""
    return ModelMessagesTypeAdapter.dump_json([message]).decode()


def load(payload: str) -> ModelMessage:
    """The message of `dump`."""
    return ModelMessagesTypeAdapter.validate_json(payload)[0]


async def read_conversation(store: Store, turn: Turn, so_far: list[Stored], max_chars: int) -> Conversation:
    """Rebuild the conversation that a turn goes on with.

    Args:
        so_far: The turn's own events.
        max_chars: Whole earlier turns are left out, oldest first, beyond this many characters of stored JSON.
    """
    own = list(_answered([load(payload) for payload in await store.turns.messages(turn)]))
    earlier = await store.turns.earlier_messages(turn, max_chars)
    answers = sum(isinstance(message, ModelResponse) for message in own)
    ids = (f"{turn.id}-{number}" for number in count(answers + 1))
    message_id = next(ids)
    half_answer, held = _shown(so_far, message_id)
    before = [load(payload) for messages in earlier.turns for payload in messages]
    return Conversation(
        messages=[*_answered(before), *own],
        forgotten_turns=earlier.forgotten,
        damaged_turns=earlier.damaged,
        half_answer=half_answer,
        held=held,
        message_id=message_id,
        later_ids=ids,
        unknown_calls=tuple(_unknown_calls(own)),
    )


def fruitless_claims(so_far: list[Stored]) -> int:
    """How many claims in a row, up to the newest, brought no word of an answer."""
    count = 0
    for stored in so_far:
        match stored.event:
            case TurnStarted() | TurnResumed():
                count += 1
            case TextDelta():
                count = 0
            case _:
                pass
    return count


def _answered(messages: Sequence[ModelMessage]) -> Iterator[ModelMessage]:
    """A history that a model takes: a call whose result a crash, a stop or an error took has an unknown outcome."""
    for at, message in enumerate(messages):
        yield message
        calls = message.tool_calls if isinstance(message, ModelResponse) else ()
        returned = {getattr(part, "tool_call_id", None) for later in messages[at + 1 : at + 2] for part in later.parts}
        if calls and not returned & {call.tool_call_id for call in calls}:
            yield ModelRequest(parts=[_unknown(call) for call in calls])


def _unknown(call: ToolCallPart) -> ToolReturnPart:
    return ToolReturnPart(call.tool_name, UNKNOWN, tool_call_id=call.tool_call_id, outcome="interrupted")


def _unknown_calls(messages: Sequence[ModelMessage]) -> Iterator[str]:
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolReturnPart) and part.content == UNKNOWN:
                yield part.tool_name


def _shown(so_far: list[Stored], message_id: str) -> tuple[str, str]:
    text = held = ""
    for stored in so_far:
        match stored.event:
            case TextDelta() as event if event.message == message_id:
                text, held = text + event.text, event.held
            case Reset() as event if event.message == message_id:
                text = held = ""
            case _:
                pass
    return text, held
