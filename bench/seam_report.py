"""An evaluation of seams as a page of tables and examples, in Markdown."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

WAYS = {
    "prefill": "by prefill",
    "instruction": "by instruction",
    "resumed": "after a kill of the server, by prefill",
}
_CONTEXT_CHARS = 46
_GOOD_BITS, _BAD_BITS = 0.5, 1.2
_EXAMPLES = 6
_TELLING = ("after a newline", "in a word")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """One cut and what came of it.

    Attributes:
        way: prefill, instruction, or resumed: by prefill, from what a log holds after a crash.
        ending: joined, reset or failed.
        equal: The joined text says what the whole answer says, character for character, as far as both go.
        bits: Per character after the seam: of the whole answer, of the joined one, and of a random join; empty where
            there is nothing to compare, None where the model cannot say.
    """

    kind: str
    prompt: str
    where: str
    way: str
    ending: str
    equal: bool
    defects: list[str]
    bits: list[float | None]
    shown: str
    cut: str
    whole: str
    joined: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Everything that was seen."""

    machine: str
    model: str
    sha256: str
    runtime: str
    seed: int
    seams: list[Seam]

    def as_dict(self) -> dict[str, object]:
        """For machines."""
        return asdict(self)


def lines(found: Evaluation) -> Iterator[str]:
    """The page's lines."""
    yield f"{found.model}, sha256 `{found.sha256}`; {found.runtime}; {found.machine}; seed {found.seed}."
    yield ""
    yield "| way | cuts | joined | the same text | reset | failed | defects of the seam |"
    yield "|---|---|---|---|---|---|---|"
    for way, title in WAYS.items():
        yield _row(title, [seam for seam in found.seams if seam.way == way])
    for title, name in (("kind of answer", "kind"), ("place of the cut", "where")):
        yield from _by(title, found.seams, lambda seam, name=name: str(getattr(seam, name)))
    yield from _likelihoods(found.seams)
    yield from _examples("joined, and the same", found.seams, lambda seam: seam.equal and seam.where in _TELLING)
    yield from _examples(
        "joined, another text, and as likely", found.seams, lambda seam: _is_other(seam, 0.0, _GOOD_BITS)
    )
    yield from _examples(
        "joined, another text, and unlikely", found.seams, lambda seam: _is_other(seam, _BAD_BITS, 99.0)
    )
    yield from _examples("joined, with a defect", found.seams, lambda seam: bool(seam.defects))


def _by(title: str, seams: Sequence[Seam], key: Callable[[Seam], str]) -> Iterator[str]:
    """The ways beside each other: the same text, joined, of how many."""
    yield ""
    yield f"| {title} | cuts | " + " | ".join(f"{way}: same, joined" for way in WAYS) + " |"
    yield "|---|---|" + "---|" * len(WAYS)
    for name in dict.fromkeys(map(key, seams)):
        mine = [seam for seam in seams if key(seam) == name]
        cells = [[seam for seam in mine if seam.way == way] for way in WAYS]
        told = [f"{sum(s.equal for s in cell)}, {sum(s.ending == 'joined' for s in cell)}" for cell in cells]
        yield f"| {name} | {len(cells[0])} | {' | '.join(told)} |"


def _row(title: str, seams: Sequence[Seam]) -> str:
    endings = Counter(seam.ending for seam in seams)
    defects = Counter(defect for seam in seams for defect in seam.defects)
    told = ", ".join(f"{name} {count}" for name, count in defects.most_common()) or "none"
    same = sum(seam.equal for seam in seams)
    return (
        f"| {title} | {len(seams)} | {endings['joined']} | {same} | {endings['reset']} | {endings['failed']} | {told} |"
    )


def _likelihoods(seams: Sequence[Seam]) -> Iterator[str]:
    yield ""
    yield "| bits per character, medians | seams | whole answer | joined | random join |"
    yield "|---|---|---|---|---|"
    joined = [seam for seam in seams if seam.ending == "joined"]
    for way, title in WAYS.items():
        mine = [seam for seam in joined if seam.way == way]
        yield from _medians(title, mine)
        yield from _medians(f"{title}, where the text is another one", [seam for seam in mine if not seam.equal])


def _medians(title: str, seams: Sequence[Seam]) -> Iterator[str]:
    known = [known for seam in seams if (known := _known(seam))]
    if known:
        medians = " | ".join(f"{statistics.median(column):.2f}" for column in zip(*known, strict=True))
        yield f"| {title} | {len(known)} | {medians} |"


def _known(seam: Seam) -> list[float]:
    known = [bits for bits in seam.bits if bits is not None]
    return known if len(known) == len(seam.bits) else []


def _is_other(seam: Seam, least: float, most: float) -> bool:
    known = _known(seam)
    return seam.ending == "joined" and not seam.equal and bool(known) and least <= known[1] - known[0] <= most


def _examples(title: str, seams: Iterable[Seam], wanted: Callable[[Seam], bool]) -> Iterator[str]:
    """Each kind of answer once, verbatim: what was shown before the seam, and what came after it."""
    chosen: dict[tuple[str, str], Seam] = {}
    for seam in seams:
        if wanted(seam):
            chosen.setdefault((seam.kind, seam.defects[0] if seam.defects else ""), seam)
    yield ""
    yield f"{title.capitalize()}:"
    yield ""
    for seam in list(chosen.values())[:_EXAMPLES]:
        at = len(seam.shown)
        before, after = seam.joined[max(0, at - _CONTEXT_CHARS) : at], seam.joined[at : at + _CONTEXT_CHARS]
        whole = "" if seam.equal else f"; whole: {_quoted(seam.whole[at : at + _CONTEXT_CHARS])}"
        why = f"; {', '.join(seam.defects)}" if seam.defects else ""
        yield f"- {seam.kind}, cut {seam.where}, {WAYS[seam.way]}: {_quoted(before)} ‖ {_quoted(after)}{whole}{why}"
    if not chosen:
        yield "- none"


def _quoted(text: str) -> str:
    return "`` " + text.replace("\n", "⏎").replace("`", "ˋ") + " ``"
