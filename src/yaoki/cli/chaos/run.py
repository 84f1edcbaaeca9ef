"""The runs of a chaos report: a healthy one, which gives the measure, and one for each fault."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from yaoki.cli.chaos.command import Ran, run, surroundings
from yaoki.cli.chaos.judge import Judgement, Measure, judge, measure
from yaoki.cli.chaos.upstream import RecordedUpstream
from yaoki.errors import ConfigurationSettingError
from yaoki.faults import Fault, Script, ScriptedProvider
from yaoki.faults.chaos_proxy import ChaosProxy, Passage

SCRIPTED = "scripted"
"""The upstream that needs none: a provider on this machine that always says the same."""
_SHORTEST_SECRET = 6
_TOKEN_S = 0.002
_HEALTHY_TIMES = 10
"""The healthy run may take so many times as long: it waits for the real answers, which the others get from memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosPolicy:
    """What is to be run.

    Attributes:
        command: The user's program and its arguments; `{base_url}` in them is filled in.
        upstream: The base URL of whoever really answers, or `scripted`.
        faults: One run for each.
        times: How many requests of a run the fault hits, from the first; None: all of them.
        at: Characters of text before the fault; None: two fifths of each answer.
        timeout_s: How long a run may take.
        pause_s: Seconds between the pieces of what trickles, and the length of a pause.
        parallel: Runs at the same time, each with a proxy of its own.
        port: Where the proxy listens; 0: a free port.
        client_base_url: What the command gets instead of the proxy's address: that of whatever stands in between.
        told: What in an output counts as having said that something is missing; None: only the exit code counts.
    """

    command: tuple[str, ...]
    upstream: str
    faults: tuple[Fault, ...]
    times: int | None = 1
    at: int | None = None
    timeout_s: float = 30.0
    pause_s: float = 1.0
    parallel: int = 1
    port: int = 0
    client_base_url: str | None = None
    told: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run with a fault."""

    fault: Fault
    ran: Ran
    judgement: Judgement
    passage: Passage


@dataclass(slots=True)
class Runs:
    """What was run so far; filled while it goes on, so that it is there when somebody stops it."""

    policy: ChaosPolicy
    measured: Measure | None = None
    healthy: Ran | None = None
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    secrets: set[str] = field(default_factory=set[str])
    interrupted: bool = False

    def in_order(self) -> list[Outcome]:
        """The outcomes in the order of the faults that were asked for."""
        order = [fault.name for fault in self.policy.faults]
        return sorted(self.outcomes, key=lambda outcome: order.index(outcome.fault.name))


async def run_all(runs: Runs, progress: Callable[[str], None]) -> None:
    """Run everything. Cancellation leaves no process behind, and what was done so far in `runs`.

    Raises:
        ConfigurationSettingError: The command cannot be started, or its healthy run gives no measure.
    """
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    policy = runs.policy
    async with _proxies(policy) as proxies:
        runs.healthy, runs.measured = await _healthy(runs, proxies[0], progress)
        progress(f"healthy run: whole, {runs.healthy.took_s:g} s; now {len(policy.faults)} faults")
        waiting = list(reversed(policy.faults))
        async with asyncio.TaskGroup() as group:
            for proxy in proxies:
                group.create_task(_work(runs, runs.measured, proxy, waiting, progress))


async def _healthy(runs: Runs, proxy: ChaosProxy, progress: Callable[[str], None]) -> tuple[Ran, Measure]:
    """The measure. The command gets a second chance: the first time, a real answer comes late, and all at once."""
    ran, passage = await _healthy_run(runs, proxy, progress)
    try:
        return ran, measure(ran, passage, runs.policy.told)
    except ConfigurationSettingError:
        if not passage.asked or passage.troubles:
            raise
    progress("it was not whole; once more, now that the upstream's answers are known")
    ran, passage = await _healthy_run(runs, proxy, progress)
    return ran, measure(ran, passage, runs.policy.told)


async def _healthy_run(runs: Runs, proxy: ChaosProxy, progress: Callable[[str], None]) -> tuple[Ran, Passage]:
    patient = replace(runs.policy, timeout_s=runs.policy.timeout_s * _HEALTHY_TIMES)
    progress("healthy run …")
    passage = await proxy.play(_script(patient, None))
    ran = await _run(patient, proxy, runs, passage)
    await proxy.settle(patient.timeout_s)
    return ran, passage


async def _work(
    runs: Runs, measured: Measure, proxy: ChaosProxy, waiting: list[Fault], progress: Callable[[str], None]
) -> None:
    """Take fault after fault until none is left."""
    while waiting:
        fault = waiting.pop()
        passage = await proxy.play(_script(runs.policy, fault))
        ran = await _run(runs.policy, proxy, runs, passage)
        judgement = judge(measured, ran, passage, runs.policy.told)
        runs.outcomes.append(Outcome(fault=fault, ran=ran, judgement=judgement, passage=passage))
        done = f"[{len(runs.outcomes)}/{len(runs.policy.faults)}]"
        progress(f"{done} {fault.name}: {judgement.verdict} ({ran.took_s:g} s)")


async def _run(policy: ChaosPolicy, proxy: ChaosProxy, runs: Runs, passage: Passage) -> Ran:
    base_url = policy.client_base_url or proxy.base_url
    key = "none" if policy.upstream == SCRIPTED else None
    ran = await run(policy.command, base_url, surroundings(os.environ, base_url, key=key), timeout_s=policy.timeout_s)
    runs.secrets |= passage.secrets
    clean = without(runs.secrets)
    return replace(ran, stdout=clean(ran.stdout), stderr=clean(ran.stderr))


def without(secrets: set[str]) -> Callable[[str], str]:
    """Takes the keys that came with requests out of a text; what is shorter than a key is left."""
    long = [re.escape(secret) for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    if not long:
        return lambda text: text
    pattern = re.compile("|".join(long))
    return lambda text: pattern.sub("[key]", text)


def _script(policy: ChaosPolicy, fault: Fault | None) -> Script:
    return Script(
        fault=fault.name if fault else None,
        at=policy.at,
        times=policy.times,
        token_s=_TOKEN_S,
        pause_s=policy.pause_s,
    )


@asynccontextmanager
async def _proxies(policy: ChaosPolicy) -> AsyncGenerator[Sequence[ChaosProxy], None]:
    """As many proxies as there are runs at a time, before one upstream."""
    if policy.parallel > 1 and (policy.port or policy.client_base_url):
        raise ConfigurationSettingError("--parallel needs a proxy for each run: not with --port or --client-base-url.")
    async with AsyncExitStack() as stack:
        address = policy.upstream
        if address == SCRIPTED:
            address = (await stack.enter_async_context(ScriptedProvider(Script(token_s=0)))).base_url
        upstream = await stack.enter_async_context(RecordedUpstream(address))
        try:
            yield [
                await stack.enter_async_context(ChaosProxy(upstream, port=policy.port)) for _ in range(policy.parallel)
            ]
        except OSError as error:
            raise ConfigurationSettingError(f"--port {policy.port}: {error.strerror}.") from error
