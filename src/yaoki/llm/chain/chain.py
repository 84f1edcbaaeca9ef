"""The chain: several candidates, one stream that never ends in a lie.

    for each try that `Selection` and the budget allow
        stream the candidate under its deadlines; show whole words as they come
        a finish reason       -> the answer is whole; tool calls are handed out only now
        anything else         -> drop what was not shown; the next candidate goes on from the last word shown
        a refused seam        -> the other candidates first; then, once, a restart from nothing

Framework-free: it knows deltas, upstreams and our errors.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from yaoki.llm.chain.attempt import About, Answer, Task
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.candidates import Candidate
from yaoki.llm.chain.prober import Prober
from yaoki.llm.chain.reader import Stragglers
from yaoki.llm.chain.reading_along import ReadingAlong
from yaoki.llm.chain.run import ChainParts, Run, new_call_id
from yaoki.llm.deltas import Item
from yaoki.resilience.notices import Notices

_WARM_S = 30.0
_WARM_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPolicy:
    """What the chain does about ends that are no faults.

    Attributes:
        on_output_limit: say: an answer at its output limit ends there, and says so; continue: it goes on, at most
            `MAX_CONTINUATIONS` times and within the turn's budget.
        on_overflow: compact: where no window holds a conversation, its oldest turns are left out, which is said; say:
            nobody can answer it, and that is said.
    """

    on_output_limit: Literal["say", "continue"] = "say"
    on_overflow: Literal["compact", "say"] = "compact"


class Chain:
    """Candidates in the order of preference; lives as long as the process and serves any number of answers at once.

    Args:
        candidates: At least one; the chain closes their upstreams.
        policy: What is done about ends that are no faults.
        on_filter: The model that is asked, from nothing, when a provider's content filter ends an answer; None: that is
            said.
        rng: Randomness of the backoff and of tool call ids.
        notices: Who is told of `AttemptFailed`, `FailedOver`, `FirstToken` and `Parked`.

    Attributes:
        one_at_a_time: No policy has a second candidate asked while the first one answers.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        *,
        policy: ChainPolicy | None = None,
        on_filter: Candidate | None = None,
        rng: random.Random | None = None,
        notices: Notices | None = None,
    ) -> None:
        self.candidates = tuple(candidates)
        self.notices = notices or Notices()
        self.one_at_a_time = all(_asks_nobody_else(candidate) for candidate in self.candidates)
        self.stragglers = Stragglers()
        self._reading = ReadingAlong()
        self._policy = policy or ChainPolicy()
        self._parts = ChainParts(
            candidates=self.candidates,
            on_output_limit=self._policy.on_output_limit,
            on_filter=on_filter,
            rng=rng or random.Random(),  # noqa: S311 - jitter and ids, no secrets
            notices=self.notices,
            reading=self._reading,
        )
        self._prober = Prober(self.candidates)
        self._warming: asyncio.Task[None] | None = None

    def stream(
        self,
        request: Any,
        budget: TurnBudget,
        *,
        resume_text: str = "",
        resume_held: str = "",
        hold_text: bool = False,
        about: About | None = None,
    ) -> AsyncGenerator[Item, None]:
        """Answer `request`. Closing the generator ends what is under way and gives every permit back.

        Args:
            request: Opaque; handed to each upstream.
            budget: Every attempt draws from it.
            resume_text: An answer that was shown before a crash; it is continued, not repeated.
            resume_held: What had come after it by then and was not shown, as far as that is known.
            hold_text: Show nothing before the answer is whole (for output that must parse).
            about: What is known of the request, without which no limit is gone beyond and nothing is left out.

        Yields:
            Text in whole words, reasoning, what happened to the stream, the usage of each attempt that brought
            anything, tool calls, and one `Finish`.

        Raises:
            ModelAllFailedError: No candidate could answer; `facts["shown_chars"]` tells how much had been shown, and
                `facts["attempts"]` who failed of what.
            AgentTurnBudgetSpentError: The budget ended before anything was tried.
        """
        about = about or About()
        if self._policy.on_overflow == "say":
            about = replace(about, shrink=None)
        task = Task(
            request=request,
            budget=budget,
            hold_text=hold_text,
            stragglers=self.stragglers,
            about=about,
            elsewhere=self._parts.on_filter is not None,
        )
        return Run(self._parts, task, Answer.resumed(resume_text, resume_held)).items()

    def call_id(self) -> str:
        """A new id for a tool call."""
        return new_call_id(self._parts.rng)

    def warm(self) -> None:
        """Begin the background work; call it once.

        It learns what each backend honours, so that no half answer waits for it, and asks those that failed whether
        they are back, so that no person's request has to.
        """
        self._prober.start()
        self._warming = asyncio.get_running_loop().create_task(self._learn())

    async def aclose(self) -> None:
        """End the background work and close every upstream."""
        await self._prober.aclose()
        await self._reading.aclose()
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        await self.stragglers.aclose()
        for candidate in self.candidates:
            await candidate.upstream.aclose()

    async def _learn(self) -> None:
        pause_s = _WARM_PAUSE_S
        while any(candidate.unknown for candidate in self.candidates):
            await asyncio.gather(*(candidate.learn(_WARM_S) for candidate in self.candidates))
            await asyncio.sleep(pause_s)
            pause_s = min(_WARM_S * 20, pause_s * 2)


def _asks_nobody_else(candidate: Candidate) -> bool:
    return not candidate.policy.reads_along and not candidate.policy.hedge_share
