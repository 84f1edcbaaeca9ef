"""One random stream as data: who is asked, what each makes of half an answer, and what goes wrong on the wire.

Everything is drawn from the seed, so a seed is a stream; a scenario can also be made smaller by hand, or by `shrink`.
"""

import random
from dataclasses import dataclass, replace
from typing import Literal, get_args

from tests.streams.answers import random_answer, random_json, random_prose
from tests.streams.faults import FAULTS, HEALTHY
from tests.streams.manners import INSTRUCTION, PREFILL

Face = Literal["core", "agent", "v1", "v1 whole"]
FACES: tuple[Face, ...] = get_args(Face)
_WEIGHTS: dict[Face, int] = {"core": 55, "agent": 5, "v1": 20, "v1 whole": 20}
_COOPERATIVE = ("honour", "bare", "echo", "reset_echo", "overlap")
_UNCOOPERATIVE = tuple(name for name in PREFILL if name not in _COOPERATIVE)


@dataclass(frozen=True, slots=True)
class Mishap:
    """A fault, and where it strikes: from 0.0, the beginning of a response, to 1.0, its end."""

    fault: str
    at: float = 0.5


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """One candidate. Its first requests have mishaps; after them it is healthy, or the last one stays.

    Attributes:
        mode: prefill and instruction are set; the others were learnt by a probe.
    """

    mode: Literal["prefill", "instruction", "honoured", "not honoured", "off"] = "honoured"
    prefill: str = "honour"
    instruction: str = "honour"
    mishaps: tuple[Mishap, ...] = ()
    stays: bool = False
    style: int = 0

    @property
    def honest(self) -> bool:
        """Whether it gives the rest of any half answer, as it is asked to, and nothing goes wrong on the way."""
        return (self.prefill, self.instruction) == ("honour", "honour") and self.mode != "off" and not self.mishaps


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One stream.

    Attributes:
        calls: The answer asks for tools with its end: arguments of each call.
        reasons: What the models think aloud before they answer.
        hold: The answer has to parse, so nothing is shown before its end.
        steady: The last model answers whatever it is asked, so the stream has to be whole.
    """

    seed: int
    face: Face
    answer: str
    calls: tuple[str, ...]
    reasons: str
    hold: bool
    models: tuple[ModelPlan, ...]

    @property
    def steady(self) -> bool:
        return self.models[-1].honest


def scenario_of(seed: int, face: Face | None = None) -> Scenario:
    """The stream of a seed."""
    rng = random.Random(seed)
    drawn = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    face = face or drawn
    models = [_model(rng) for _ in range(rng.choice([1, 2, 2, 2, 3, 3, 4]))]
    models[0] = replace(models[0], mishaps=models[0].mishaps or (_mishap(rng),))
    if rng.random() < 0.75:
        mode = rng.choice(["honoured", "not honoured", "prefill", "instruction"])
        models[-1] = replace(models[-1], mode=mode, prefill="honour", instruction="honour", mishaps=())
    calls = tuple(f'{{"amount": {rng.randint(0, 999)}}}' for _ in range(rng.choice([0] * 12 + [1, 2])))
    answer = "" if calls and rng.random() < 0.5 else random_answer(rng)
    reasons = random_prose(rng) if rng.random() < 0.15 else ""
    hold = face != "agent" and rng.random() < 0.1
    return Scenario(
        seed=seed,
        face=face,
        answer=random_json(rng) if hold and answer else answer,
        calls=calls,
        reasons=reasons,
        hold=hold,
        models=tuple(models),
    )


def _model(rng: random.Random) -> ModelPlan:
    manners = _COOPERATIVE if rng.random() < 0.5 else _UNCOOPERATIVE
    honours = rng.random() < 0.5
    return ModelPlan(
        mode=rng.choice(["prefill", "instruction", "honoured" if honours else "not honoured", "not honoured", "off"]),
        prefill=rng.choice(_COOPERATIVE) if honours else rng.choice(manners),
        instruction=rng.choice(list(INSTRUCTION)) if rng.random() < 0.5 else "honour",
        mishaps=tuple(_mishap(rng) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3]))),
        stays=rng.random() < 0.3,
        style=rng.getrandbits(30) if rng.random() < 0.5 else 0,
    )


def _mishap(rng: random.Random) -> Mishap:
    return Mishap(rng.choice(FAULTS), rng.choice([0.0, 1.0, rng.random(), rng.random(), rng.random(), rng.random()]))


def smaller(scenario: Scenario) -> list[Scenario]:
    """The same stream with one thing less, for `shrink`."""
    models, answer = scenario.models, scenario.answer
    found = [replace(scenario, models=models[:at] + models[at + 1 :]) for at in range(len(models)) if len(models) > 1]
    for at, model in enumerate(models):
        changes = [
            *(replace(model, mishaps=model.mishaps[:n] + model.mishaps[n + 1 :]) for n in range(len(model.mishaps))),
            *([replace(model, style=0)] if model.style else []),
            *([replace(model, stays=False)] if model.stays else []),
            *([replace(model, prefill="honour")] if model.prefill != "honour" else []),
            *([replace(model, instruction="honour")] if model.instruction != "honour" else []),
            *([replace(model, mishaps=(Mishap(HEALTHY),))] if model.mishaps not in ((), (Mishap(HEALTHY),)) else []),
        ]
        found += [replace(scenario, models=(*models[:at], one, *models[at + 1 :])) for one in changes]
    if scenario.reasons:
        found.append(replace(scenario, reasons=""))
    if scenario.hold:
        found.append(replace(scenario, hold=False))
    half = len(answer) // 2
    pieces = [
        answer[:half].strip(),
        answer[half:].strip(),
        answer[: -max(1, half // 4)].strip(),
        answer[max(1, half // 4) :].strip(),
    ]
    found += [replace(scenario, answer=piece) for piece in pieces if piece and piece != answer]
    return found
