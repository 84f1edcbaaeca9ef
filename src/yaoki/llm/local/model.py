"""An embedded model: a process that is there again after whatever ended it."""

import asyncio
import logging
import secrets
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from yaoki.errors import AIErrorContext, AIOrchestrationError, ModelUnavailableError
from yaoki.llm.local import weights
from yaoki.llm.local.notices import LocalModelLost, LocalModelReady
from yaoki.llm.local.policy import LocalModelPolicy
from yaoki.llm.local.preflight import require_gguf, require_processor, require_runtime, unusable
from yaoki.llm.local.process import HOST, ModelProcess, ProcessEndedError
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock
from yaoki.resilience.notices import Notices

_log = logging.getLogger(__name__)


class ModelState(StrEnum):
    """Where a model is between two answers."""

    STARTING = "starting"
    READY = "ready"
    DOWN = "down"


class LocalModel:
    """One embedded model, served over OpenAI's protocol on loopback by a process of its own.

    The process is respawned whenever it ends, freezes or does not come up, after a delay that grows with each loss in a
    row. It ends with this process, however that ends, within a second. Belongs to the event loop that started it, and
    its thread: the kernel ends the child when the *thread* that spawned it is gone.

    Args:
        name: Also the alias that requests name.
        rng: Randomness of the delays.

    Attributes:
        name: As given.
        policy: As given.
        api_key: A secret of this object; the server refuses requests without it.
        state: starting, ready or down.
        reason: Why it is not ready; empty if it is.
        failure: What ended the last process or kept it from starting; None while it is ready.

    Example:
        async with LocalModel("smollm2") as model:
            await model.wait_ready(10.0)
            client = AsyncOpenAI(base_url=model.base_url, api_key=model.api_key)
    """

    def __init__(
        self,
        name: str,
        policy: LocalModelPolicy | None = None,
        *,
        rng: Random | None = None,
        clock: Clock = SYSTEM_CLOCK,
        notices: Notices | None = None,
    ) -> None:
        self.name = name
        self.policy = policy or LocalModelPolicy()
        self.api_key = secrets.token_urlsafe(32)
        self.state = ModelState.DOWN
        self.reason = "not started"
        self.failure: AIOrchestrationError | None = None
        self._rng = rng or Random()  # noqa: S311 - spreads respawns; keys come from `secrets`
        self._clock = clock
        self._notices = notices or Notices()
        self._process: ModelProcess | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._back_at = 0.0

    async def start(self) -> None:
        """Spawn and supervise. Returns before the model is ready; a second call does nothing.

        Raises:
            ConfigurationMissingExtraError: The runtime is not installed.
            ConfigurationSettingError: The file or the weights are not there, or not readable.
                Whatever else is wrong, or becomes so, is told by `state` and `failure`.
        """
        if self._supervisor is not None:
            return
        require_runtime()
        await asyncio.to_thread(self._find_file)
        self._enter(ModelState.STARTING, "starting")
        self._supervisor = asyncio.create_task(self._supervise(), name=f"embedded model {self.name}")
        self._supervisor.add_done_callback(self._tell_defect)

    async def aclose(self) -> None:
        """End the process and what watches it. May be called again."""
        self._enter(ModelState.DOWN, "closed")
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
            self._supervisor = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until it is ready, for at most `timeout_s` seconds; not longer than the current attempt to start.

        Raises:
            AIOrchestrationError: It is down, and why (`failure`), or it is still starting then.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.state is ModelState.STARTING:
                    await self._changed.wait()
        if self.state is not ModelState.READY:
            raise self.failure or self._unavailable()

    @property
    def base_url(self) -> str:
        """Where it serves now; another place after each respawn.

        Raises:
            ModelUnavailableError: Nowhere. `retry_after_s`: seconds until the next spawn.
        """
        if self.state is not ModelState.READY or self._process is None:
            raise self._unavailable()
        return f"http://{HOST}:{self._process.port}/v1"

    @property
    def pid(self) -> int | None:
        """The process that serves or is about to; None between two."""
        return self._process.pid if self._process else None

    def __repr__(self) -> str:
        return f"<LocalModel {self.name} {self.state}{f': {self.reason}' if self.reason else ''}>"

    async def _supervise(self) -> None:
        """One process after the other, until cancelled."""
        losses = 0
        while True:
            self._enter(ModelState.STARTING, "starting")
            spawned_at = self._clock.monotonic()
            await self._live()
            up_s = self._clock.monotonic() - spawned_at
            losses = 1 if up_s >= self.policy.healthy_after_s else losses + 1
            delay_s = self.policy.respawn.delay_after(losses) * self._rng.uniform(0.5, 1.0)
            self._back_at = self._clock.monotonic() + delay_s
            if self._notices.wants(LocalModelLost):
                self._notices.publish(LocalModelLost(self.name, self.reason, delay_s))
            await asyncio.sleep(delay_s)

    async def _live(self) -> None:
        """The life of one process; when it is over, `state` and `failure` tell what ended it."""
        spawned_at = self._clock.monotonic()
        try:
            path = await asyncio.to_thread(self._file)
            self._process = await ModelProcess.spawn(self._order(path))
        except OSError as error:
            return self._lose(self._unavailable(f"could not be spawned: {error.strerror}"))
        except AIOrchestrationError as error:
            return self._lose(error)
        try:
            await self._process.serving(self.policy.start_timeout_s)
            self._enter(ModelState.READY, "")
            if self._notices.wants(LocalModelReady):
                seconds = self._clock.monotonic() - spawned_at
                self._notices.publish(LocalModelReady(self.name, self._process.pid, seconds))
            await self._process.watch(every_s=self.policy.probe_every_s, timeout_s=self.policy.probe_timeout_s)
        except ProcessEndedError as ended:
            self._lose(unusable(path, self._setting, str(ended)) if ended.refused else self._unavailable(str(ended)))
        finally:
            process, self._process = self._process, None
            await process.kill()

    def _tell_defect(self, supervisor: "asyncio.Task[None]") -> None:
        """Supervision ends by cancellation only; anything else is a defect of ours, and the model stays down."""
        if not supervisor.cancelled() and (defect := supervisor.exception()):
            self._enter(ModelState.DOWN, f"its supervision failed: {defect!r}")
            _log.error("The supervision of the embedded model %s failed.", self.name, exc_info=defect)

    def _find_file(self) -> Path:
        if self.policy.path is None:
            return weights.require(weights.SMOLLM2, self.policy.data_dir)
        path = self.policy.path.expanduser().absolute()
        require_gguf(path, self._setting)
        return path

    def _file(self) -> Path:
        """The file, checked as far as we can, on a processor that can use it."""
        require_processor()
        path = self._find_file()
        if self.policy.path is None:
            weights.require_intact(weights.SMOLLM2, path, self.policy.data_dir)
        return path

    def _order(self, path: Path) -> dict[str, Any]:
        own = self.policy.path is not None
        return {
            "path": str(path),
            "alias": self.name,
            "secret": self.api_key,
            "context_tokens": self.policy.context_tokens,
            "threads": self.policy.threads_in_use,
            "parallel": self.policy.parallel,
            "prompt_cache_mib": self.policy.prompt_cache_mib,
            "temperature": self.policy.temperature if own else self.policy.temperature or weights.SMOLLM2.temperature,
        }

    @property
    def _setting(self) -> str:
        return f"models.{self.name}.path"

    def _enter(self, state: ModelState, reason: str) -> None:
        self.state, self.reason = state, reason
        if state is ModelState.READY:
            self.failure = None
        self._changed.set()
        self._changed = asyncio.Event()

    def _lose(self, failure: AIOrchestrationError) -> None:
        self.failure = failure
        self._enter(ModelState.DOWN, str(failure.facts.get("reason") or failure.message))

    def _unavailable(self, reason: str | None = None) -> ModelUnavailableError:
        """What to raise for `reason`; by default for the state as it is."""
        waiting = self.state is ModelState.DOWN and self._supervisor is not None
        return ModelUnavailableError(
            f"The embedded model {self.name} {reason or f'is {self.state}: {self.reason}'}.",
            retry_after_s=max(0.0, self._back_at - self._clock.monotonic()) if waiting else None,
            context=AIErrorContext(model_name=self.name),
            reason=reason or self.reason,
        )
