"""The ways a turn can end, each said to be what it is.

| how the work ended                        | outcome               | on the wire  |
|-------------------------------------------|-----------------------|--------------|
| a whole answer                            | completed             | RUN_FINISHED |
| the model's length limit                  | output_limit, said    | RUN_FINISHED |
| the provider's content policy             | filtered, said        | RUN_FINISHED |
| somebody asked to stop                    | cancelled             | RUN_FINISHED |
| no model could begin an answer, but one   | cached, said          | RUN_FINISHED |
|   was given to the same question before   |                       |              |
| no model could begin an answer            | degraded: a statement | RUN_FINISHED |
| no model could finish the half one shown  | failed, said          | RUN_ERROR    |
| the turn's own record is damaged          | failed, said          | RUN_ERROR    |
| claimed again and again without progress  | parked, said          | RUN_ERROR    |
"""

from dataclasses import dataclass

from pydantic_ai.messages import ModelResponse

from yaoki.errors import (
    AgentTurnBudgetSpentError,
    AIOrchestrationError,
    ModelAllFailedError,
    SessionCorruptedError,
    SessionStoreUnavailableError,
)
from yaoki.llm.answer_cache import CachedAnswer
from yaoki.store.events import AnsweredFromCache, Degraded, DomainEvent, Outcome, TextDelta, TurnEnded
from yaoki.store.turn_table import DAMAGED
from yaoki.turns.conversation import dump, response_of
from yaoki.turns.recorder import Recorder

SPENT = "The answer breaks off here: it has used up the {} that one message may take. Ask again to get a whole one."
HALF_ANSWER = "The answer breaks off here: no model could finish it. Ask again to get a whole one."
OUTPUT_LIMIT = "The answer reached its length limit and may be incomplete."
FILTERED = "The model's provider stopped this answer by its content policy."
EARLIER = "No model could be reached; this is the answer that the same question was given before."
STOPPED = "Stopped, as asked."
PARKED = "This message could not be answered after several attempts. It is kept and can be taken up again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a turn ends.

    Attributes:
        kind: The error's kind, unless the outcome is a success.
        note: One plain sentence, where there is something to say.
        statement: A degraded answer: what is said in the place of one.
        earlier: An answer that was given before, which stands in.
        response: What the conversation keeps of the answer; None if there was none.
    """

    outcome: Outcome
    kind: str | None = None
    note: str | None = None
    statement: str = ""
    earlier: CachedAnswer | None = None
    response: ModelResponse | None = None

    def events(self, turn: str, message_id: str, usage: dict[str, int]) -> list[DomainEvent]:
        """The last events of the turn; the terminal one is the last of them."""
        said: list[DomainEvent] = []
        if self.earlier is not None:
            said = [
                AnsweredFromCache(turn=turn, age_s=round(self.earlier.age_s, 1)),
                TextDelta(turn=turn, message=message_id, text=self.earlier.text, model=self.earlier.model),
            ]
        elif self.statement:
            said = [
                Degraded(turn=turn, kind=self.kind or "", reason="no model could answer"),
                TextDelta(turn=turn, message=message_id, text=self.statement, model=""),
            ]
        return [*said, TurnEnded(turn=turn, outcome=self.outcome, kind=self.kind, usage=usage, message=self.note)]

    def messages(self) -> list[str]:
        """What is kept of the answer, as stored."""
        return [dump(self.response)] if self.response is not None else []


def answered(response: ModelResponse | None, recorder: Recorder) -> Ending:
    """The model ended its answer itself; its finish reason says how."""
    match recorder.finish.reason if recorder.finish else "stop":
        case "length":
            return Ending(outcome="output_limit", kind="model.output_limit", note=OUTPUT_LIMIT, response=response)
        case "content_filter":
            return Ending(outcome="filtered", kind="model.filtered", note=FILTERED, response=_seen(recorder.shown))
        case _:
            return Ending(outcome="completed", response=response)


def cancelled(shown: str) -> Ending:
    """Somebody asked to stop; what was shown stays."""
    return Ending(outcome="cancelled", kind="agent.cancelled", note=STOPPED, response=_seen(shown))


def parked() -> Ending:
    """Several claims brought nothing."""
    return Ending(outcome="parked", kind="agent.parked", note=PARKED)


def failed(
    error: AIOrchestrationError, recorder: Recorder, *, statement: str, earlier: CachedAnswer | None = None
) -> Ending | None:
    """A known failure. None for a store that is down: it ends no turn.

    Args:
        statement: What is said in the place of an answer.
        earlier: An answer that may be given in its place.
    """
    if isinstance(error, SessionStoreUnavailableError):
        return None
    if recorder.finish is not None and recorder.finish.reason in ("length", "content_filter"):
        return answered(_seen(recorder.shown), recorder)  # the agent loop refuses such an end; we tell it
    if isinstance(error, SessionCorruptedError):
        return Ending(outcome="failed", kind=error.kind, note=DAMAGED, response=_seen(recorder.shown))
    if recorder.shown:
        spent = error.facts.get("spent") if isinstance(error, AgentTurnBudgetSpentError) else None
        note = SPENT.format(spent) if spent else HALF_ANSWER
        return Ending(outcome="failed", kind=error.kind, note=note, response=_seen(recorder.shown))
    if earlier is not None and isinstance(error, ModelAllFailedError):
        return Ending(
            outcome="cached", kind=error.kind, note=EARLIER, earlier=earlier, response=response_of(earlier.text)
        )
    return Ending(outcome="degraded", kind=error.kind, statement=statement, response=response_of(statement))


def _seen(shown: str) -> ModelResponse | None:
    return response_of(shown) if shown.strip() else None
