"""What an embedded model should be, and how closely it is watched."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from yaoki.resilience.retry import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModelPolicy:
    """How one embedded model is run.

    Attributes:
        path: A GGUF file; None: the SmolLM2 weights of `yaoki models install`, checked against their digest.
        context_tokens: Size of the window, at least 256; the parallel answers share it evenly.
        threads: CPU threads; 0: half of the cores, at least one. A second model, or the server that heals it, must find
            a free core: two models with a thread per core each fell from 140 to 8 tokens/s on two cores, while one
            thread gives 140 and two give 150.
        parallel: Answers at the same time, at least 1.
        prompt_cache_mib: Memory for the state of earlier prompts, in MiB; 0: none is kept beyond the last one.
        temperature: Of requests that name none; None: 0.2 for the SmolLM2 weights, llama.cpp's 0.8 for others.
        data_dir: The user's data folder: weights may lie there, and what was checked is remembered there. None:
            neither, so the weights are checked as a whole at every spawn.
        start_timeout_s: Seconds from spawn to the first answer.
        probe_every_s: Seconds between two looks at a process that answers.
        probe_timeout_s: Seconds for its answer; two misses in a row mean that it is frozen, and it is replaced.
        respawn: The delays between two spawns, jittered; `max_attempts` does not count here: it never gives up.
        healthy_after_s: Seconds up after which a loss counts as the first one again.
    """

    path: Path | None = None
    context_tokens: int = 4096
    threads: int = 0
    parallel: int = 1
    prompt_cache_mib: int = 64
    temperature: float | None = None
    data_dir: Path | None = None
    start_timeout_s: float = 120.0
    probe_every_s: float = 1.0
    probe_timeout_s: float = 2.0
    respawn: RetryPolicy = field(default_factory=lambda: RetryPolicy(delay_s=0.25, max_delay_s=30.0))
    healthy_after_s: float = 30.0

    @property
    def threads_in_use(self) -> int:
        """Threads, with 0 worked out for this machine."""
        return self.threads or max(1, usable_cores() // 2)


def usable_cores() -> int:
    """Cores that this process may run on, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
