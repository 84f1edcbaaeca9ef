"""The models of one stream: what each is asked, what it plays, and when; and what may stand on the page in the end."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.streams.faults import HEALTHY, play_of
from tests.streams.manners import INSTRUCTION, PREFILL
from tests.streams.responses import Play, Speech
from tests.streams.scenario import ModelPlan, Scenario
from yaoki.faults.script import ChatRequest, quoted, text_of
from yaoki.llm.seams.shown import anchor_of

_REFUSAL = b'{"error": {"message": "The last message must be from the user.", "type": "invalid_request_error"}}'
_EMPTY_ENDS = ("finish at once", "finish after blanks", "finish after reasoning", "finish tool_calls without calls")
_SENTENCE_ENDS = tuple(".!?:;。！？：；…)]}\"'”’»」』`*|\n")


@dataclass(slots=True)
class Request:
    """One request that a model got; times are the loop's."""

    model: int
    kind: str
    fault: str
    half: str
    at: float
    spoke: float
    left: float | None = None
    said: str | None = None


@dataclass(slots=True)
class World:
    """What everybody of one stream knows.

    Attributes:
        pages: The texts that a whole answer may have.
        limits: The ends, besides a whole one, that some response had.
        loops: What some response said over and over.
    """

    scenario: Scenario
    requests: list[Request] = field(default_factory=list[Request])
    pages: list[str] = field(default_factory=list[str])
    limits: set[str] = field(default_factory=set[str])
    loops: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self.pages = [self.scenario.answer]

    def page_from(self, half: str) -> str:
        """The newest page that goes on from this half, whatever blanks it has; the answer itself if there is none."""
        half = half.rstrip()
        exact = next((page for page in reversed(self.pages) if page.startswith(half)), None)
        return exact or next(filter(None, (_set_as(half, page) for page in reversed(self.pages))), self.scenario.answer)

    def players(self) -> list["Player"]:
        return [Player(self, number, plan) for number, plan in enumerate(self.scenario.models)]


def _set_as(half: str, page: str) -> str | None:
    """The page, set as this half of it is; None if it is no half of it."""
    signs, at = "".join(half.split()), 0
    for sign in signs:
        at = page.find(sign, at) + 1
        if not at:
            return None
    return half + page[at:] if "".join(page[:at].split()) == signs else None


class Player:
    """Answers the requests to one model."""

    def __init__(self, world: World, number: int, plan: ModelPlan) -> None:
        self.world = world
        self.number = number
        self.plan = plan
        self._asked = 0

    def take(self, body: dict[str, Any]) -> tuple[Play, Request]:
        """The response to a request with this body."""
        scenario, plan = self.world.scenario, self.plan
        rng = random.Random(f"{scenario.seed}/{self.number}/{self._asked}")
        last = len(plan.mishaps) - 1
        at = min(self._asked, last) if plan.stays else self._asked
        mishap = plan.mishaps[at] if 0 <= at <= last else None
        self._asked += 1
        kind, half, quote, calling = _asks_for(body)
        now = asyncio.get_running_loop().time()
        request = Request(self.number, kind, mishap.fault if mishap else HEALTHY, half, now, now)
        self.world.requests.append(request)
        text = request.said = self._text(kind, half, quote, rng)
        if text is None:
            return Play(status=400, headers={"content-type": "application/json"}, steps=[_REFUSAL]), request
        done = any(message.get("role") == "tool" for message in body.get("messages", ()))
        calls = scenario.calls if body.get("tools") and not done else ()
        if calling:
            text = ""
        speech = Speech(text, calls, scenario.reasons, "tool_calls" if calls else "stop")
        fault, place = (mishap.fault, mishap.at) if mishap else (HEALTHY, 0.5)
        if half and not calls and (not text.strip() or fault in _EMPTY_ENDS) and half.rstrip().endswith(_SENTENCE_ENDS):
            self.world.pages.append(half.rstrip())  # whoever is asked to go on may say that nothing is missing
        play = play_of(speech, fault, place, style=plan.style, rng=rng)
        if play.limits:
            self.world.limits.add(play.limits)
        if play.loops:
            self.world.loops.add(play.loops)
        return play, request

    def _text(self, kind: str, half: str, quote: str, rng: random.Random) -> str | None:
        if kind == "answer":
            return self.world.scenario.answer
        manners = PREFILL if kind == "prefill" else INSTRUCTION
        name = self.plan.prefill if kind == "prefill" else self.plan.instruction
        said = manners[name](self.world.page_from(half), half, quote, rng)
        if said.page is not None:
            self.world.pages.append(said.page)
        return said.text


def _asks_for(body: dict[str, Any]) -> tuple[str, str, str, bool]:
    """Kind, half answer, quoted words, and whether a call is wanted again."""
    messages = ChatRequest(body=body).messages
    if messages and messages[-1].get("role") == "assistant":
        return "prefill", text_of(messages[-1]), "", False
    if len(messages) > 1 and messages[-2].get("role") == "assistant" and text_of(messages[-2]):
        half, asked = text_of(messages[-2]), text_of(messages[-1])
        if "calling a tool" in asked:
            return "instruction", half, "", True
        anchor = anchor_of(half)
        return "instruction", half, anchor if anchor in asked else quoted(half, asked), False
    return "answer", "", "", False


class Playing:
    """A play while it is played: pieces of the body, as they come.

    `failure` makes the exception of a reset, or of a body that was cut off, in the words of whoever reads.
    """

    def __init__(self, play: Play, request: Request, failure: Callable[[str], Exception]) -> None:
        self._play = play
        self._request = request
        self._failure = failure
        self._next = 0

    async def piece(self) -> bytes:
        """The next piece; nothing at the end."""
        steps, loop = self._play.steps, asyncio.get_running_loop()
        while self._next < len(steps):
            step = steps[self._next]
            if isinstance(step, float):
                await asyncio.sleep(step)
            self._next += 1
            if isinstance(step, bytes):
                self._request.spoke = loop.time()
                return step
        self._request.spoke = loop.time() if self._play.end != "silence" else self._request.spoke
        match self._play.end:
            case "end":
                return b""
            case "silence":
                await loop.create_future()
                return b""
            case "for ever":
                await asyncio.sleep(0.05 if len(steps[-1:][0]) > 40 else 0.4)  # type: ignore[arg-type]
                return bytes(steps[-1])  # type: ignore[arg-type]
            case end:
                raise self._failure(end)

    def leave(self) -> None:
        """Whoever read is gone."""
        if self._request.left is None:
            self._request.left = asyncio.get_running_loop().time()


def asked_of(data: bytes) -> dict[str, Any]:
    """The body of a request."""
    return json.loads(data)
