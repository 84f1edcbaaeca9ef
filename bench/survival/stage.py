"""The cells of the matrix, and a pair of scripted providers for each: the faulty one, and the fallback behind it."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from yaoki.faults import ANSWER, FAULTS, Fault, Script, ScriptedProvider
from yaoki.faults.script import Behaviour

AT = 166
"""Characters said before a fault: in the middle of a word."""
ARGUMENTS: dict[str, Any] = {"amount": 12, "currency": "EUR"}
FALLBACKS: tuple[Behaviour, ...] = ("honour", "refuse", "ignore", "talk_over")
BOUND_S = 25.0
"""Seconds after which a subject hangs, well beyond every deadline that it was given."""
_BOUND_ALONE_S = 6.0
_TOKEN_S = 0.002
_SLOWLY_S = 0.01
"""Between tokens that never end, so that two cores can bear several of them."""
_LONG_S = 60.0
_PAUSES = {"slow_first_byte": _LONG_S, "slow_first_token": _LONG_S, "slow_drip": 1.2}
"""Seconds of a pause where 0.2 would be no fault."""
_ALONE = ("endless_head", "endless_event")
_OF_AGENTS = ("M20", "M21", "M26")
"""What an agent does about a call that is whole and senseless is no question of streams."""
_SAID = {"says_done": "data: [DONE]", "says_error": '{"error": {"code": 500}}'}
_GROUPS = {
    "refused before an answer": ("M1", "M2", "M3", "M4", "M5", "M6", "M22", "M23", "M24"),
    "something else in a 200": ("M16",),
    "waiting": ("M9", "M10"),
    "broken off": ("M11", "M12"),
    "an error inside a 200": ("M13",),
    "malformed": ("M14",),
    "empty or endless": ("M15", "M17"),
    "output limit and filter": ("M18", "M19"),
    "inside a tool call": ("M27",),
    "odd and healthy": ("M28",),
}
GROUPS = tuple(_GROUPS)
"""The parts of the table, in its order."""
_GROUP_OF = {row: group for group, rows in _GROUPS.items() for row in rows}
_QUICK = 12


@dataclass(frozen=True, slots=True)
class Case:
    """One fault, and what the fallback makes of half an answer."""

    fault: Fault
    fallback: Behaviour

    @property
    def id(self) -> str:
        """Names it, also as a model."""
        return f"{self.fault.name}-{self.fallback}"

    @property
    def tool(self) -> bool:
        """Whether a tool is on offer, and meant to be called."""
        return self.fault.row == "M27" or self.fault.name.startswith("tool_call")

    @property
    def alone(self) -> bool:
        """Whether it takes all of a core."""
        return self.fault.name in _ALONE

    @property
    def bound_s(self) -> float:
        """Seconds after which a subject hangs."""
        return _BOUND_ALONE_S if self.alone else BOUND_S

    @property
    def whole(self) -> tuple[str, ...]:
        """The texts that are whole answers."""
        said = _SAID.get(self.fault.name)
        return (ANSWER,) if said is None else (f"{ANSWER[:AT]} {said} {ANSWER[AT:].lstrip()}",)

    def scripts(self) -> tuple[Script, Script]:
        """Of the faulty provider, and of its fallback."""
        name, pause_s = self.fault.name, _PAUSES.get(self.fault.name, 0.2)
        token_s = _SLOWLY_S if self.fault.row == "M17" else _TOKEN_S
        faulty = Script(fault=name, at=AT, token_s=token_s, pause_s=pause_s, arguments=ARGUMENTS)
        instruction = self.fallback if self.fallback in ("ignore", "talk_over") else "honour"
        healthy = Script(
            fault="tool_call" if self.tool else None,
            token_s=_TOKEN_S,
            prefill=self.fallback,
            instruction=instruction,
            arguments=ARGUMENTS,
        )
        return faulty, healthy


@dataclass(frozen=True, slots=True)
class Pair:
    """The providers of a case while it is played."""

    case: Case
    faulty: ScriptedProvider
    healthy: ScriptedProvider


def group_of(fault: Fault) -> str:
    """The part of the table that a fault stands in."""
    return _GROUP_OF[fault.row]


def faults(*, quick: bool = False) -> list[Fault]:
    """Those of the matrix, in the table's order; `quick`: every twelfth."""
    found = [fault for fault in FAULTS.values() if fault.row not in _OF_AGENTS]
    return found[::_QUICK] if quick else found


def cases(chosen: Iterable[Fault], fallbacks: Sequence[Behaviour]) -> list[Case]:
    """Each fault with each kind of fallback; what is healthy needs only one."""
    return [Case(fault, kind) for fault in chosen for kind in (fallbacks[:1] if fault.healthy else fallbacks)]


@asynccontextmanager
async def staged(chosen: Iterable[Case]) -> AsyncIterator[dict[str, Pair]]:
    """The providers of these cases, by the cases' ids."""
    async with AsyncExitStack() as stack:
        pairs: dict[str, Pair] = {}
        for case in chosen:
            first, second = (ScriptedProvider(script) for script in case.scripts())
            await stack.enter_async_context(first)
            await stack.enter_async_context(second)
            pairs[case.id] = Pair(case, first, second)
        yield pairs
