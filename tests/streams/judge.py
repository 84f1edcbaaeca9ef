"""The promises, held against one stream: whole, or plainly told; never passed off, repeated, lost, or hung."""

from collections import Counter
from dataclasses import dataclass, field

from tests.streams.faces import DEADLINE_S, Seen
from tests.streams.world import World

FAILOVER_S = 0.3
_FIRST_TOKEN_S, _IDLE_S = 10.0, 5.0
_SLACK_S = 0.5
_GOOD = ("stop", "tool_calls")


@dataclass(slots=True)
class Verdict:
    """How a stream ended, and what was wrong with it, if anything was.

    Attributes:
        outcome: whole, begun again, output_limit, filtered, told.
        failovers: Seconds from what ended each request to the next model's first one.
    """

    outcome: str
    wrong: list[str] = field(default_factory=list[str])
    failovers: list[float] = field(default_factory=list[float])


def judge(world: World, seen: Seen) -> Verdict:
    """The verdict on one stream."""
    verdict = Verdict(_outcome(seen), failovers=_failovers(world))
    wrong = verdict.wrong
    wrong += [seen.wrong] if seen.wrong else []
    match verdict.outcome:
        case "whole" | "begun again":
            wrong += _whole(world, seen)
        case "output_limit" | "filtered":
            wrong += _limited(world, seen)
        case _:
            wrong += _told(world, seen)
    wrong += [f"a failover took {took_s:.2f} s" for took_s in verdict.failovers if took_s > FAILOVER_S]
    wrong += [f"it took {seen.took_s:.0f} s"] if seen.took_s > DEADLINE_S + _FIRST_TOKEN_S else []
    wrong += _patience(world)
    return verdict


def _limited(world: World, seen: Seen) -> list[str]:
    wrong = [] if seen.finish in world.limits else [f"an end of {seen.finish!r} that nobody had"]
    return wrong + (["calls of an answer that was cut off"] if seen.calls else [])


def _told(world: World, seen: Seen) -> list[str]:
    scenario = world.scenario
    wrong = [] if seen.error is not None else ["neither an end nor an error"]
    wrong += ["calls of an answer that failed"] if seen.calls else []
    if not _is_of(*_comparable(world, seen), world.loops) and not world.limits:
        wrong.append("what was shown is not of the answer")
    late = any(request.fault == "drip" for request in world.requests)
    if scenario.steady and not late and not (scenario.face == "v1" and seen.error == "model.truncated"):
        wrong.append("told, although the last model could have answered")
    return wrong


def _outcome(seen: Seen) -> str:
    if seen.error is not None and seen.finish in (None, *_GOOD):
        return "told"
    names = {"length": "output_limit", "content_filter": "filtered"}
    whole = "begun again" if seen.restarts else "whole"
    return names.get(seen.finish or "", whole if seen.finish in _GOOD else "told")


def _whole(world: World, seen: Seen) -> list[str]:
    wrong: list[str] = []
    text, pages = _comparable(world, seen)
    if text not in pages:
        longest = max(world.pages, key=lambda page: len(_common(page, seen.text)))
        same = len(_common(longest, seen.text))
        kind = "lost" if len(seen.text) < len(longest) else "repeated or mixed"
        wrong.append(
            f"passed off, {kind}: …{seen.text[max(0, same - 30) : same]!r} then {seen.text[same : same + 60]!r}"
        )
    if Counter(seen.calls) != Counter(world.scenario.calls):
        wrong.append(f"calls {seen.calls}")
    return wrong


def _comparable(world: World, seen: Seen) -> tuple[str, set[str]]:
    """What was seen, and the pages; without blanks, where somebody leaves them out, who cannot be judged by them."""
    if any("bare" in (model.prefill, model.instruction) for model in world.scenario.models):
        return "".join(seen.text.split()), {"".join(page.split()) for page in world.pages}
    return seen.text, set(world.pages)


def _is_of(text: str, pages: set[str], loops: set[str]) -> bool:
    """Whether this is the beginning of a page, at most with a few words at its end that somebody says over and over."""
    rests = [text[len(_common(page, text)) :] for page in pages]
    words = loops | {"".join(loop.split()) for loop in loops}
    return any(not rest or any(rest in loop * len(rest) for loop in words) for rest in rests)


def _common(one: str, other: str) -> str:
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:at]


def _failovers(world: World) -> list[float]:
    """From the end of each request to the one after it, where that asks a model for the first time."""
    took, asked = list[float](), set[int]()
    for before, after in zip([None, *world.requests], world.requests, strict=False):
        if before is not None and after.model not in asked and before.left is not None:
            took.append(after.at - before.left)
        asked.add(after.model)
    return took


def _patience(world: World) -> list[str]:
    """Nobody waits for a silent model longer than its deadlines."""
    return [
        f"{request.left - request.spoke:.1f} s of silence were borne"
        for request in world.requests
        if request.left is not None and request.left - request.spoke > max(_FIRST_TOKEN_S, _IDLE_S) + _SLACK_S
    ]
