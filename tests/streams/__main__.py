"""Random streams by the thousand: `python -m tests.streams --count 10000 --seed 1`; `--only SEED` plays one again."""

import argparse
import logging
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.streams.runs import Run, run, shrink, transcript
from tests.streams.scenario import FACES, scenario_of

_PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "streams.md"
_CHUNK = 100
_OUTCOMES = ("whole", "begun again", "output_limit", "filtered", "told", "broken")
_HEAD = """# Random streams

    .venv/bin/python -m tests.streams --count {count} --seed {seed} --publish     # this page
    .venv/bin/python -m tests.streams --only {seed}                       # one stream again, with all that was said

Each stream is drawn from its seed: an answer (prose in a dozen scripts, code, tables, JSON, lists, refrains, text that
speaks of the protocol, tool calls), one to four models, what each of them makes of half an answer, and what goes wrong
with each response: {kinds} kinds of faults, at any byte, up to three in a row at the same model, also while another
one heals. The bytes come in random pieces through the real wire, the real chain and the real face; only sockets and
time are virtual. Since the script knows the whole answer, the page is compared with it character by character.

- **whole**: exactly the answer, with a good end and each tool call once.
- **begun again**: the same after the page was emptied once, and said to be.
- **output_limit**, **filtered**: an end that a model really had, under its name.
- **told**: an error, and no end. What was shown is a beginning of the answer. Where the last model of the chain answers
  whatever it is asked, this counts as broken, but for a stream of the base URL whose seam was refused.
- **broken**: anything else. Passed off, repeated, lost, hung, a call twice, a late failover.

Seeds 1 to 10,000 are those with which the seams were mended. Of 20,000 others, played afterwards (750000001 to
750020000), 5 counted as broken. Three are refrains ("row, row, row your boat"), cut inside: whether a continuation
repeats the last words or says more of the same cannot be seen; where the new beginning is cut as well, it is told.
One is a table of rows that are the same, of which one was lost. One is a loop in a response that repeats half a word.
The time of a failover is that of waiting alone; over sockets see [benchmarks](../benchmarks.md).

{count} streams, seeds {seed} to {last}:

"""


def main() -> int:
    """Play them; the exit status says whether every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.streams", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first one; the others follow")
    parser.add_argument("--face", choices=FACES, help="all of them through this one")
    parser.add_argument("--only", type=int, help="play the stream of this seed, and say what happened")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--publish", action="store_true", help=f"write {_PAGE.name}")
    asked = parser.parse_args()
    logging.disable()
    if asked.only is not None:
        print(transcript(scenario_of(asked.only, asked.face)))
        return 0
    seeds = [range(at, min(at + _CHUNK, asked.seed + asked.count)) for at in _starts(asked.seed, asked.count)]
    total = Run()
    with ProcessPoolExecutor(asked.jobs) as pool:
        for part in pool.map(partial(run, face=asked.face), seeds):
            total.add(part)
            print(f"\r{total.outcomes.total()} streams, {len(total.broken)} broken", end="", file=sys.stderr)
    print(file=sys.stderr)
    print(_table(total))
    for seed, wrong in list(total.broken.items())[:20]:
        print(f"\nseed {seed}: {wrong}\nsmaller: {shrink(scenario_of(seed, asked.face))}")
    if asked.publish:
        last = asked.seed + asked.count - 1
        head = _HEAD.format(count=asked.count, seed=asked.seed, last=last, kinds=len(total.faults) - 1)
        _PAGE.write_text(head + _table(total))
    return 1 if total.broken else 0


def _starts(seed: int, count: int) -> range:
    return range(seed, seed + count, _CHUNK)


def _table(total: Run) -> str:
    wrong = len(total.broken)
    lines = [f"| face | {' | '.join(_OUTCOMES)} |", f"|---|{'---|' * len(_OUTCOMES)}"]
    for face in FACES:
        counts = [total.outcomes[face, outcome] for outcome in _OUTCOMES]
        lines.append(f"| {face} | {' | '.join(map(str, counts))} |")
    slowest = max(total.failovers, default=0.0)
    lines += [
        "",
        f"Promises broken: {wrong}. Failovers to a model that had not been asked yet: {len(total.failovers)},",
    ]
    lines += [f"each within {slowest:.3f} s of the end of the request before it."]
    if total.broken:
        lines += ["", "Broken: " + ", ".join(f"{seed} ({wrong[0][:60]})" for seed, wrong in total.broken.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
