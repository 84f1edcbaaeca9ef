"""Recovery from one error: analyse, select, execute, validate, and again with what the attempt taught.

    the error's kind lists strategies in order; each is tried once, but `retry` as often as the policy allows
    a healer repairs something (reconnects, refreshes a key), then the operation runs again
    an answerer gives the value itself (from a cache, from another provider)
    a check that reads the result back may refuse it
    when nothing has helped: a degraded answer, marked as one; else the last error, with the report

Every run of the operation draws from the turn's budget, if a turn is running.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from yaoki.errors import (
    AIRecoveryStrategy,
    ConfigurationSettingError,
    Record,
    bind,
    current,
)
from yaoki.recovery.case import Case, settled
from yaoki.recovery.comprehensive import ComprehensiveReport, Recoverable, recover_all
from yaoki.recovery.reports import AttemptReport, Degraded, RecoveryEnded, RecoveryReport, next_steps
from yaoki.resilience.ambient import spend_turn_attempt
from yaoki.resilience.clock import SYSTEM_CLOCK, Scheduler
from yaoki.resilience.deadlines import Timeout
from yaoki.resilience.guard import Guard
from yaoki.resilience.notices import Notices
from yaoki.resilience.registry import GUARDS
from yaoki.resilience.retry import Retry, RetryPolicy

if TYPE_CHECKING:
    from random import Random

RECOVERY_MAX_ATTEMPTS = 3
RECOVERY_WITHIN_S = 300.0

Healer = Callable[[Case], Awaitable[object]]
Answerer = Callable[[Case], Any]
Check = Callable[[Any], Any]

_log = logging.getLogger(__name__)


class RecoveryPolicy(Record):
    """How much is done for one error.

    Attributes:
        max_attempts: Runs of the operation, at least 1; answers from elsewhere (a cache, another model) do not count.
        within_s: Seconds for everything, above 0.
        retry: The pauses before the operation runs again; its `max_attempts` is not looked at.
    """

    max_attempts: int = RECOVERY_MAX_ATTEMPTS
    within_s: float = RECOVERY_WITHIN_S
    retry: RetryPolicy = RetryPolicy()

    def check(self) -> None:
        """Raise ConfigurationSettingError for a value outside its range."""
        if self.max_attempts < 1 or self.within_s <= 0:
            raise ConfigurationSettingError(f"Out of range: {self!r}", settings=["max_attempts", "within_s"])


class AIRecoveryManager:
    """Recovers failed operations with what was registered, and by running them again.

    Args:
        policy: How much is done for one error.
        clock: Where pauses and durations come from.
        notices: Who is told of `RecoveryEnded`.
        rng: Randomness of the pauses.

    Example:
        >>> manager = AIRecoveryManager(RecoveryPolicy(retry=RetryPolicy(delay_s=0)))
        >>> async def ask() -> str:
        ...     return "here again"
        >>> asyncio.run(manager.recover_from_error(ConnectionResetError(), ask))
        'here again'
    """

    def __init__(
        self,
        policy: RecoveryPolicy | None = None,
        *,
        clock: Scheduler = SYSTEM_CLOCK,
        notices: Notices | None = None,
        rng: "Random | None" = None,
    ) -> None:
        self.clock = clock
        self.notices = notices
        self._rng = rng
        self._healers: dict[AIRecoveryStrategy, Healer] = {}
        self._answerers: dict[AIRecoveryStrategy, Answerer] = {}
        self._checks: dict[str, Check] = {}
        self._parts: list[Recoverable] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self.adopt(policy or RecoveryPolicy())

    def __repr__(self) -> str:
        able = sorted(strategy.value for strategy in {*self._healers, *self._answerers})
        return f"<AIRecoveryManager {self.policy.max_attempts} attempts, {able}, {len(self._tasks)} running>"

    def adopt(self, policy: RecoveryPolicy) -> None:
        """Follow this policy from the next recovery on."""
        self.policy = policy
        retry = policy.retry.but(max_attempts=policy.max_attempts + 1)  # the failed call itself was the first
        self.retry = Retry(retry, rng=self._rng)

    def heals(self, strategy: AIRecoveryStrategy, healer: Healer) -> None:
        """Let `healer` carry out a strategy that repairs something; then the operation runs again."""
        self._healers[strategy] = healer

    def answers(self, strategy: AIRecoveryStrategy, answerer: Answerer) -> None:
        """Let `answerer` carry out a strategy that gives the value itself. For DEGRADE: the lesser answer."""
        self._answerers[strategy] = answerer

    def validates(self, operation_name: str, check: Check) -> None:
        """Let `check` look at the values of an operation: False, or an error, and the attempt has failed.

        It should read back through the port (is the session there now?), not believe the value.
        """
        self._checks[operation_name] = check

    async def recover_from_error(
        self, error: Exception, operation: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """The operation's value, after all.

        Args:
            error: What it failed with.
            operation: What to run again; a coroutine function or a plain one.
            args: Its arguments.
            kwargs: Its arguments by keyword.

        Returns:
            The value, or `Degraded` around a lesser one.

        Raises:
            Exception: The last error, its report in `.report`, when nothing helped.
        """
        name = getattr(operation, "__qualname__", repr(operation))
        return await self.recover(Case(name=name, operation=operation, args=args, kwargs=kwargs, error=error))

    def schedule_recovery(
        self, error: Exception, operation: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> "asyncio.Task[Any]":
        """`recover_from_error` for those who do not wait.

        Returns:
            The task, which this manager owns: `aclose` ends it. A failure that nobody awaits is logged.
        """
        task = asyncio.create_task(self.recover_from_error(error, operation, *args, **kwargs))
        self._tasks.add(task)
        task.add_done_callback(self._scheduled_ended)
        return task

    def register(self, part: Recoverable) -> None:
        """Let `trigger_comprehensive_recovery` recover this part of the system too."""
        self._parts.append(part)

    async def trigger_comprehensive_recovery(self) -> ComprehensiveReport:
        """Recover every registered part, each after what it stands on; see `recover_all`."""
        report = await recover_all(self._parts, clock=self.clock)
        for part in report.parts:
            self._tell(part, manager=part.operation)
        return report

    async def aclose(self) -> None:
        """Cancel what is still scheduled, and wait for it."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def recover(self, case: Case) -> Any:
        """`recover_from_error` for a case that is already described."""
        story = _Story(case, self.clock)
        while (strategy := self._select(story)) is not None:
            value = await self._attempt(story, strategy, self.policy.within_s - story.seconds)
            if story.attempts[-1].outcome == "succeeded":
                self._tell(story.report("recovered"))
                return value
        return await self._degrade(story)

    def _select(self, story: "_Story") -> AIRecoveryStrategy | None:
        """The first strategy of the error that can be carried out, that was not spent, and that is still affordable."""
        if story.seconds >= self.policy.within_s:
            return None
        able = {*self._answerers} - {AIRecoveryStrategy.DEGRADE}
        if story.runs < self.policy.max_attempts:
            able |= {AIRecoveryStrategy.RETRY, *self._healers}
        return next((strategy for strategy in story.case.strategies if strategy in able - story.case.spent), None)

    async def _attempt(self, story: "_Story", strategy: AIRecoveryStrategy, left_s: float) -> Any:
        """Carry out one strategy and note what came of it; a failure becomes the case's error."""
        case = story.case
        value = None
        if strategy is not AIRecoveryStrategy.RETRY:
            case.spent.add(strategy)
        began = self.clock.monotonic()
        try:
            with bind(recovery_attempts=current().recovery_attempts + 1):
                value = await self._within(left_s, case.name, self._execute, story, strategy)
            valid = await self._is_valid(case, value)
            outcome, reason = ("succeeded", "") if valid else ("invalid", "the check refused the value")
        except _NotTriedError as refused:
            case.spent.add(strategy)
            outcome, reason = "skipped", str(refused)
        except Exception as error:  # noqa: BLE001 - raised with the report when nothing else helps
            case.fails_with(error)
            outcome, reason = "failed", type(error).__name__
        story.note(strategy, outcome, reason, began)
        return value

    async def _execute(self, story: "_Story", strategy: AIRecoveryStrategy) -> Any:
        case = story.case
        if strategy in self._answerers:
            return await settled(self._answerers[strategy](case))
        if strategy is AIRecoveryStrategy.RETRY:
            delay_s = self.retry.next_delay_s(story.runs + 1, case.error)
            if delay_s is None:
                raise _NotTriedError("not again after this error, or no budget is left")
            await self.clock.sleep(delay_s)
            story.runs += 1
            return await case.run()
        if not spend_turn_attempt():
            raise _NotTriedError("the turn has no attempt left")
        await self._healers[strategy](case)
        story.runs += 1
        return await case.run()

    async def _within(self, left_s: float, name: str, call: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        timeout = Timeout(left_s, clock=self.clock)
        try:
            return await Guard(name, timeout=timeout).call(call, *args)
        finally:
            timeout.disarm()

    async def _is_valid(self, case: Case, value: Any) -> bool:
        check = self._checks.get(case.name)
        return check is None or await settled(check(value)) is not False

    async def _degrade(self, story: "_Story") -> Any:
        """The lesser answer, if there is one; else the last error with its report."""
        case = story.case
        answerer = self._answerers.get(AIRecoveryStrategy.DEGRADE)
        if answerer is not None and AIRecoveryStrategy.DEGRADE in case.strategies:
            began = self.clock.monotonic()
            try:
                value = await settled(answerer(case))
            except Exception as error:  # noqa: BLE001 - raised with the report
                case.fails_with(error)
                story.note(AIRecoveryStrategy.DEGRADE, "failed", type(error).__name__, began)
            else:
                story.note(AIRecoveryStrategy.DEGRADE, "succeeded", "", began)
                report = story.report("degraded")
                self._tell(report)
                return Degraded(value, report)
        report = story.report("failed")
        self._tell(report)
        _attach(report, case.error)
        raise case.error

    def _tell(self, report: RecoveryReport, manager: str = "error") -> None:
        if self.notices is not None and self.notices.wants(RecoveryEnded):
            strategy = report.attempts[-1].strategy if report.attempts else AIRecoveryStrategy.NONE
            self.notices.publish(
                RecoveryEnded(
                    manager=manager,
                    operation=report.operation,
                    strategy=strategy.value,
                    outcome=report.outcome,
                    seconds=report.seconds,
                )
            )

    def _scheduled_ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.warning("A scheduled recovery failed: %r", task.exception())


class _NotTriedError(Exception):
    """A strategy was selected and cannot be carried out."""


class _Story:
    """The attempts of one recovery as they happen, and how often the operation ran."""

    def __init__(self, case: Case, clock: Scheduler) -> None:
        kind = case.kind
        self.case = case
        self.attempts: list[AttemptReport] = []
        self.runs = 0
        self._kind = None if kind is None else kind.name
        self._clock = clock
        self._began = clock.monotonic()

    @property
    def seconds(self) -> float:
        return self._clock.monotonic() - self._began

    def note(self, strategy: AIRecoveryStrategy, outcome: str, reason: str, began: float) -> None:
        kind = None if outcome == "succeeded" else self.case.kind
        self.attempts.append(
            AttemptReport(
                strategy=strategy,
                outcome=outcome,
                seconds=self._clock.monotonic() - began,
                reason=reason,
                kind=None if kind is None else kind.name,
            )
        )

    def report(self, outcome: str) -> RecoveryReport:
        left = () if outcome == "recovered" else next_steps(self.case.strategies, self.case.retry_after_s)
        return RecoveryReport(
            operation=self.case.name,
            kind=self._kind,
            outcome=outcome,
            attempts=tuple(self.attempts),
            seconds=self.seconds,
            next_steps=left,
        )


def _attach(report: RecoveryReport, error: Exception) -> None:
    """Hang the report on the error. One that takes no attributes is raised without."""
    with suppress(AttributeError):
        error.report = report  # pyright: ignore[reportAttributeAccessIssue] - foreign errors get it as well


ai_recovery_manager = AIRecoveryManager(notices=GUARDS.notices)
"""This process's recovery; settings reach it by `adopt`, strategies by `heals` and `answers`."""
