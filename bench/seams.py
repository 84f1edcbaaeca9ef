"""Seams in meaning: a real model's answers are cut, and a second process of the same model goes on through the chain.

python -m bench.seams [--quick] [--seed N] [--json]

Both models choose the likeliest word, so the whole answer says what an ideal seam would have led to. A fault of the
model (it repeats itself, it lets its table go) is in both texts; what is only in the joined one is the seam's.
"""

import argparse
import asyncio
import json
import platform
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from bench import seam_report
from bench.seam_cuts import Cut, cuts, defects, same
from bench.seam_models import Joined, Writer, random_join
from bench.seam_prompts import PROMPTS, Prompt
from bench.seam_report import WAYS, Evaluation, Seam
from yaoki.llm.local.model import LocalModel
from yaoki.llm.local.policy import LocalModelPolicy
from yaoki.llm.local.weights import SMOLLM2

QUICK_STRIDE = 5
_START_S = 120.0
_RANDOM_CHARS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer, as the first process gave it."""

    prompt: Prompt
    pieces: list[str]
    reason: str

    @property
    def text(self) -> str:
        return "".join(self.pieces)


async def evaluate(prompts: Sequence[Prompt], seed: int) -> Evaluation:
    """Two processes, one thread each; each writes half of the answers and goes on with those of the other."""
    policy = LocalModelPolicy(threads=1)
    async with LocalModel("one", policy) as one, LocalModel("two", policy) as two:
        await asyncio.gather(one.wait_ready(_START_S), two.wait_ready(_START_S))
        writers = Writer(one), Writer(two)
        halves = prompts[::2], prompts[1::2]
        wrote = await asyncio.gather(*map(_write, writers, halves))
        others = [answer.text for answers in wrote for answer in answers]
        rngs = [random.Random(seed + at) for at in range(2)]  # noqa: S311 - which texts are joined at random
        seams = await asyncio.gather(
            *(
                _try_all(writer, answers, others, rng)
                for writer, answers, rng in zip(writers, wrote[::-1], rngs, strict=True)
            )
        )
        for writer in writers:
            await writer.aclose()
    return Evaluation(
        machine=f"Python {platform.python_version()}, one thread a model",
        model=f"{SMOLLM2.name} ({SMOLLM2.file}, {SMOLLM2.package} {SMOLLM2.version})",
        sha256=SMOLLM2.sha256,
        runtime=f"xllamacpp {version('xllamacpp')}",
        seed=seed,
        seams=[seam for part in seams for seam in part],
    )


async def _write(writer: Writer, prompts: Sequence[Prompt]) -> list[Answer]:
    answers: list[Answer] = []
    for prompt in prompts:
        pieces, reason = await writer.write(prompt.text)
        answers.append(Answer(prompt=prompt, pieces=pieces, reason=reason))
    return answers


async def _try_all(writer: Writer, answers: list[Answer], others: list[str], rng: random.Random) -> list[Seam]:
    seams: list[Seam] = []
    for answer in answers:
        for cut in cuts(answer.text):
            by_prefill = await writer.go_on(answer.prompt.text, answer.pieces, cut.at, "prefill")
            instructed = await writer.go_on(answer.prompt.text, answer.pieces, cut.at, "instruction")
            resumed = await writer.resume(answer.prompt.text, by_prefill)
            stray = random_join(others, _RANDOM_CHARS, rng)
            beside = await _bits(writer, answer, by_prefill.shown, stray)
            for way, joined in zip(WAYS, (by_prefill, instructed, resumed), strict=True):
                seams.append(await _judge(writer, answer, cut, way, joined, beside))
        print(".", end="", file=sys.stderr, flush=True)
    return seams


async def _bits(writer: Writer, answer: Answer, shown: str, stray: str) -> list[float | None]:
    """How likely the whole answer and a random join are after what was shown."""
    seam = len(shown)
    texts = [answer.text, f"{shown} {stray.lstrip()}"] if answer.text[seam:].strip() else []
    return [await writer.likelihood(answer.prompt.text, text, seam) for text in texts]


async def _judge(
    writer: Writer, answer: Answer, cut: Cut, way: str, joined: Joined, beside: list[float | None]
) -> Seam:
    seam, whole = len(joined.shown), answer.text
    ending = "failed" if joined.failed else "reset" if joined.restarted else "joined"
    equal = ending == "joined" and same(whole, joined.text, seam)
    ended = answer.reason == joined.reason == "stop"
    bits: list[float | None] = []
    if ending == "joined" and beside and joined.text[seam:].strip():
        mine = beside[0] if equal else await writer.likelihood(answer.prompt.text, joined.text, seam)
        bits = [beside[0], mine, beside[1]]
    return Seam(
        kind=answer.prompt.kind,
        prompt=answer.prompt.text,
        where=cut.where,
        way=way,
        ending=ending,
        equal=equal,
        defects=defects(whole, joined.text, seam, ended=ended) if ending == "joined" else [],
        bits=bits,
        shown=joined.shown,
        cut=whole[: cut.at],
        whole=whole,
        joined=joined.text,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.seams", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"every {QUICK_STRIDE}th prompt only")
    parser.add_argument("--seed", type=int, default=1, help="of the random joins")
    parser.add_argument("--json", action="store_true", help="every seam with its texts")
    options = parser.parse_args()
    prompts = PROMPTS[::QUICK_STRIDE] if options.quick else PROMPTS
    found = asyncio.run(evaluate(prompts, options.seed))
    print(file=sys.stderr)
    print(
        json.dumps(found.as_dict(), ensure_ascii=False, indent=1)
        if options.json
        else "\n".join(seam_report.lines(found))
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
