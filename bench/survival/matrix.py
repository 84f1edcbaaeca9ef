"""Runs one subject through its cases, in a process of its own."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.survival.asking import Cell, Heard
from bench.survival.processes import ROOT
from bench.survival.stage import Case, Pair, staged
from bench.survival.subjects import Subject
from bench.survival.verdict import verdict

_LINE = 1 << 20
_QUIET_S = 1.0
_SURROUNDINGS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it looks for the network
    "LITELLM_LOG": "CRITICAL",
    "PYTHONWARNINGS": "ignore",
    "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"))),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One cell of the matrix.

    Attributes:
        verdict: See `bench.survival.verdict`.
        heard: What it was judged by; None if nothing came back.
        asked: Requests that the faulty provider got, and its fallback.
    """

    case: Case
    verdict: str
    heard: Heard | None
    asked: tuple[int, int]

    @property
    def hung(self) -> bool:
        """Whether it had not ended when the bound passed."""
        return self.heard is not None and self.heard.hung


async def run(subject: Subject, cases: Sequence[Case]) -> list[Result]:
    """Every case of a subject, in the cases' order."""
    python = await asyncio.to_thread(subject.python)
    results: list[Result] = []
    for start in range(0, len(cases), subject.lot):
        results += await _run_lot(subject, python, cases[start : start + subject.lot], (start, len(cases)))
    _say("\n")
    return await again_if_hung(subject, python, results)


async def again_if_hung(subject: Subject, python: Path, results: list[Result]) -> list[Result]:
    """A hang is believed if it happens twice: the machine may have been busy. Returns all results."""
    hung = [at for at, result in enumerate(results) if result.hung]
    if hung:
        again = await _run_lot(subject, python, [results[at].case for at in hung], (0, len(hung)))
        for at, result in zip(hung, again, strict=True):
            results[at] = result
        _say(" hung before\n")
    return results


async def _run_lot(subject: Subject, python: Path, cases: Sequence[Case], of: tuple[int, int]) -> list[Result]:
    """`of`: cases that are done, and all of them; said as the lot goes on."""
    async with staged(cases) as pairs:
        with ExitStack() as stack:
            gateway = await asyncio.to_thread(stack.enter_context, subject.gateway(pairs))
            await _until_quiet(pairs)
            cells = [subject.cell(pair, gateway) for pair in pairs.values()]
            heard: dict[str, Heard] = {}
            async with aclosing(_hear(subject, python, cells)) as told:
                async for name, one in told:
                    heard[name] = one
                    _say(f"\r{subject.name:22} {of[0] + len(heard):4} of {of[1]}")
        return [_result(pair, heard.get(name)) for name, pair in pairs.items()]


async def _until_quiet(pairs: dict[str, Pair]) -> None:
    """Whoever asks around at its start is done with it."""
    seen, before = 0, -1
    while seen != before:
        await asyncio.sleep(_QUIET_S)
        seen, before = sum(len(one.requests) for pair in pairs.values() for one in (pair.faulty, pair.healthy)), seen


def _result(pair: Pair, heard: Heard | None) -> Result:
    asked = len(pair.faulty.asked), len(pair.healthy.asked)
    return Result(case=pair.case, verdict=verdict(pair, heard), heard=heard, asked=asked)


async def _hear(subject: Subject, python: Path, cells: list[Cell]) -> AsyncGenerator[tuple[str, Heard], None]:
    """What the child process heard, with the cell's name; a child that dies has heard no more."""
    child = await asyncio.create_subprocess_exec(
        python,
        "-m",
        "bench.survival.asking",
        subject.client,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=None if os.environ.get("SURVIVAL_DEBUG") else asyncio.subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, **_SURROUNDINGS},
        limit=_LINE,
    )
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("A child without its pipes.")
    try:
        child.stdin.write(json.dumps([asdict(cell) for cell in cells]).encode())
        child.stdin.close()
        while line := await child.stdout.readline():
            told = json.loads(line)
            yield told.pop("id"), Heard(**told)
        await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def _say(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()
