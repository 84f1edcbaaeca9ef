"""One turn as a story.

    claim      a runner holds the turn under a fence
    begin      say that it started, or goes on after its process had gone
    converse   the agent loop, on the chain; every word is in the log before anyone sees it
    end        exactly one terminal event: whole, limited, filtered, cancelled, or a plain statement of what failed

What ends a run without ending the turn (the process stops, the store stays down, a bug) leaves it open: the next claim
goes on from the log. A turn that makes no progress over several claims is parked and says so.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic_ai import Agent, Tool
from pydantic_ai.output import OutputSpec

from yaoki.errors import (
    AIOrchestrationError,
    ModelAllFailedError,
    ModelContextOverflowError,
    SessionStoreUnavailableError,
)
from yaoki.llm.answer_cache import AnswerCache
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain_model import ChainModel, prompt_tokens
from yaoki.llm.failures import rename
from yaoki.resilience.ambient import spending
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock
from yaoki.resilience.notices import Notices
from yaoki.store.contract import Turn
from yaoki.store.events import RecoveryTaken, Stored, TurnResumed, TurnStarted
from yaoki.store.store import Store
from yaoki.store.turn_table import FencedError
from yaoki.turns import endings, statements
from yaoki.turns.agent_loop import converse
from yaoki.turns.conversation import Conversation, dump, fruitless_claims, question_of, read_conversation
from yaoki.turns.earlier_answers import EarlierAnswers
from yaoki.turns.endings import Ending
from yaoki.turns.notices import TurnFailed, TurnFinished
from yaoki.turns.recorder import Recorder
from yaoki.turns.spent import spent_before
from yaoki.turns.statements import Language

MAX_FRUITLESS_CLAIMS = 4
"""Claims in a row without a word of an answer, after which a turn is parked."""
MAX_CLAIMS = 30
"""Claims in all, after which a turn is parked, however many words each of them brought."""

_log = logging.getLogger(__name__)


class Left(StrEnum):
    """How a run leaves its turn."""

    ENDED = "ended"
    ELSEWHERE = "elsewhere"  # somebody else holds it, or it was erased
    OPEN = "open"  # to be claimed again


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPolicy:
    """An agent as turns need it.

    Attributes:
        deadline_s: Seconds that a turn may run, over all claims of it.
        max_attempts: Requests to models that may fail; those that bring a whole response cost none.
        max_tokens: Of prompts and answers together; None: no limit.
        max_cost_usd: At list prices, where one is known; None: no limit.
        context_chars: Characters of earlier conversation that are told to the model.
        language: Of the statement that stands in for an answer when no model can give one.
        degraded: That statement, if it is not to be the built-in one; see `turns.statements`.
        answers: Where whole answers are kept for such times; None: nowhere.
        tools: Python functions that the agent may call. A call whose outcome a crash took is not made again.
        output_type: What an answer must parse as. It is shown, so it must be text: `str`, or pydantic-ai's
            `NativeOutput` or `PromptedOutput`; all but `str` is shown whole or not at all.
    """

    name: str
    instructions: str
    chain: Chain
    deadline_s: float = 180.0
    max_attempts: int = 6
    max_tokens: int | None = None
    max_cost_usd: float | None = None
    context_chars: int = 24_000
    language: Language = "en"
    degraded: str = ""
    answers: AnswerCache | None = None
    tools: Sequence[Tool[object]] = ()
    output_type: OutputSpec[Any] = str


class TurnRun:
    """One claim of one turn, from its beginning to its end."""

    def __init__(
        self,
        turn: Turn,
        agent: AgentPolicy,
        store: Store,
        *,
        notices: Notices | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.turn = turn
        self._agent = agent
        self._store = store
        self._notices = notices or Notices()
        self._clock = clock
        self._budget = TurnBudget(
            agent.deadline_s,
            agent.max_attempts,
            max_tokens=agent.max_tokens,
            max_cost_usd=agent.max_cost_usd,
            clock=clock,
        )
        self._recorder = Recorder(store, turn, self._budget, clock)
        self._stopped = turn.cancel_requested
        self._earlier: EarlierAnswers | None = None
        self._begun = False
        self._work: asyncio.Task[Ending] | None = None

    def stop(self) -> None:
        """End the turn as cancelled. The wish is on disk already, so a crash does not forget it."""
        self._stopped = True
        if self._work is not None and self._begun:  # before that, it looks for itself: a turn never ends unstarted
            self._work.cancel()

    async def run(self) -> Left:
        """Run the turn. Cancelling this leaves the turn open for a later claim."""
        started = self._clock.monotonic()
        work = self._work = asyncio.create_task(self._answer(), name=f"turn-{self.turn.id}")
        try:
            await asyncio.wait({work})
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
        try:
            ending = await self._ending_of(work)
            if ending is None:
                return Left.OPEN
            last = ending.events(self.turn.id, self._recorder.message_id, self._budget.usage())
            await self._recorder.write(*last, messages=ending.messages())
        except FencedError:
            return Left.ELSEWHERE
        except SessionStoreUnavailableError as error:
            self._report(error)
            return Left.OPEN
        self._notices.publish(TurnFinished(ending.outcome, self._clock.monotonic() - started))
        return Left.ENDED

    async def _answer(self) -> Ending:
        so_far = await self._begin()
        conversation = await read_conversation(self._store, self.turn, so_far, self._agent.context_chars)
        self._recorder.begin_message(conversation.message_id, conversation.half_answer)
        spent = spent_before(so_far, prompt_tokens(conversation.messages), self._cost)
        self._budget.resume(spent.counts, spent.ran_s)
        self._begun = True
        if self._stopped:
            return endings.cancelled(conversation.half_answer)
        if fruitless_claims(so_far) > MAX_FRUITLESS_CLAIMS or self.turn.fence > MAX_CLAIMS:
            return endings.parked()
        await self._say_what_is_left_out(conversation, so_far)
        self._earlier = await self._earlier_answers(conversation)
        with spending(self._budget):
            return await self._converse(conversation)

    async def _begin(self) -> list[Stored]:
        """Say that the turn starts, or that it goes on; returns what has happened in it."""
        turn = self.turn
        so_far = await self._store.turns.events(turn) if turn.fence > 1 else []
        if any(isinstance(stored.event, TurnStarted) for stored in so_far):
            resumed = TurnResumed(turn=turn.id, reason="its last run had broken off")
            return so_far + await self._recorder.write(resumed)
        started = TurnStarted(turn=turn.id, agent=self._agent.name)
        return await self._recorder.write(started, messages=[dump(question_of(turn))])

    def _cost(self, model: str, asked: int, said: int) -> float | None:
        candidates = [candidate for candidate in self._agent.chain.candidates if candidate.name == model]
        price = candidates[0].price if candidates else None
        return price(asked, said) if price else None

    async def _say_what_is_left_out(self, conversation: Conversation, so_far: list[Stored]) -> None:
        """Tell the person, once, what the model is not told of the conversation and what nobody can know, and why."""
        turn = self.turn.id
        causes = [
            (conversation.forgotten_turns, "compact_context", "no longer fit the model's window"),
            (conversation.damaged_turns, "restore_session", "have damaged records"),
        ]
        reasons = [
            (strategy, f"{turns} earlier messages of this conversation {why} and were left out.")
            for turns, strategy, why in causes
            if turns
        ]
        if calls := ", ".join(conversation.unknown_calls):
            reasons.append(
                ("none", f"Whether {calls} was done before the server stopped is unknown; it is not repeated.")
            )
        said = {stored.event for stored in so_far if isinstance(stored.event, RecoveryTaken)}
        for strategy, reason in reasons:
            taken = RecoveryTaken(turn=turn, strategy=strategy, reason=reason)
            if taken not in said:
                await self._recorder.write(taken)

    async def _earlier_answers(self, conversation: Conversation) -> EarlierAnswers | None:
        agent = self._agent
        if agent.answers is None or not agent.answers.enabled or agent.tools:
            return None
        owner = await self._store.turns.owner_of(self.turn)
        who = agent.name, agent.instructions
        return EarlierAnswers.of(agent.answers, owner, who, agent.chain, conversation.messages)

    async def _converse(self, conversation: Conversation) -> Ending:
        """Drive the agent loop on the chain; its last response is stored with the end."""
        policy = self._agent
        model = ChainModel(
            policy.chain,
            self._budget,
            sink=self._recorder.take,
            resume_text=conversation.half_answer,
            resume_held=conversation.held,
            hold_text=policy.output_type is not str,
        )
        agent = Agent(model, instructions=policy.instructions, tools=policy.tools, output_type=policy.output_type)
        responses = await converse(agent, conversation, self._recorder)
        ending = endings.answered(responses[-1] if responses else None, self._recorder)
        if self._earlier is not None and ending.outcome == "completed" and len(responses) == 1:
            self._earlier.keep(responses[0])
        return ending

    async def _ending_of(self, work: asyncio.Task[Ending]) -> Ending | None:
        """How the work ended the turn; None if the turn stays open."""
        if work.cancelled() and self._stopped:
            return endings.cancelled(self._recorder.shown)
        if work.cancelled():  # nobody asked: a library's scope that got out of hand, say
            self._report(asyncio.CancelledError("The work was cancelled, and nobody had asked for it."))
            return None
        error = work.exception()
        if error is None:
            return work.result()
        if isinstance(error, FencedError):
            raise error
        known = error if isinstance(error, AIOrchestrationError) else rename(error)
        ending = self._failed(known) if known is not None else None
        if ending is None:
            self._report(error)
        return ending

    def _failed(self, error: AIOrchestrationError) -> Ending | None:
        agent, cause = self._agent, error.__cause__
        if isinstance(error, ModelAllFailedError) and isinstance(cause, ModelContextOverflowError):
            return endings.failed(cause, self._recorder, statement=statements.too_long(agent.language))
        statement = statements.no_answer(
            agent.name, language=agent.language, template=agent.degraded, retry_after_s=error.retry_after_s
        )
        earlier = self._earlier.find() if self._earlier is not None else None
        return endings.failed(error, self._recorder, statement=statement, earlier=earlier)

    def _report(self, error: BaseException) -> None:
        """A run broke off and its turn stays open: somebody should know why."""
        _log.error("The turn %s broke off and stays open.", self.turn.id, exc_info=error)
        self._notices.publish(TurnFailed(self.turn.id, error))
