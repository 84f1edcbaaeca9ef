"""Turns of an agent with a Python tool, and of one whose answer must parse, over streams that break off inside both."""

import json

import pytest
from pydantic import BaseModel
from pydantic_ai import NativeOutput, Tool

from tests.unit.turns.conftest import Begin
from tests.unit.turns.instance import end_of, text_of
from yaoki.faults import ANSWER, Script
from yaoki.faults.script import Behaviour
from yaoki.store.events import Reset, TextDelta

BROKEN = ["cut_in_call", "reset_in_call", "stall_in_call", "cut_after_call"]
CUTS = ["cut_mid_stream", "done_without_finish", "error_event"]
FALLBACKS: list[Behaviour] = ["honour", "refuse", "ignore", "talk_over"]
ARGUMENTS = {"amount": 12, "currency": "EUR"}
Charged = list[tuple[int, str]]


class Log(BaseModel):
    ships: int
    names: list[str]


LOG = Log(ships=7, names=["Pamir", "Passat", "Peking", "Padua", "Priwall", "Pommern", "Potosi"])
JSON = json.dumps(LOG.model_dump())


def charging(charged: Charged) -> list[Tool[object]]:
    def charge(amount: int, currency: str) -> str:
        charged.append((amount, currency))
        return "done"

    return [Tool(charge)]


@pytest.mark.requirement("M27", "P-4")
@pytest.mark.parametrize("behaviour", FALLBACKS)
@pytest.mark.parametrize("fault", BROKEN)
async def test_a_call_that_breaks_off_is_asked_for_again_and_runs_once(
    begin: Begin, fault: str, behaviour: Behaviour
) -> None:
    charged: Charged = []
    calls = Script(fault="tool_call", arguments=ARGUMENTS, prefill=behaviour, instruction=behaviour)
    instance = await begin(Script(fault=fault, times=1, arguments=ARGUMENTS), calls, tools=charging(charged))
    session = await instance.session()
    events = await instance.ask(session, "Charge me.")
    assert instance.providers[0].fired[fault] == 1
    assert charged == [(12, "EUR")]
    assert end_of(events).outcome == "completed"
    assert text_of(events) == ANSWER


@pytest.mark.requirement("M11", "M27", "P-3", "P-4")
@pytest.mark.parametrize("behaviour", FALLBACKS)
async def test_an_answer_cut_after_its_tool_has_run_is_finished_and_the_tool_is_left_alone(
    begin: Begin, behaviour: Behaviour
) -> None:
    charged: Charged = []
    instance = await begin(Script(), Script(prefill=behaviour, instruction=behaviour), tools=charging(charged))
    await instance.providers[0].play(
        Script(fault="cut_in_call", times=1),
        Script(fault="tool_call", times=1, arguments=ARGUMENTS),
        Script(fault="cut_mid_stream"),
    )
    await instance.providers[1].play(
        Script(fault="tool_call", times=1, arguments=ARGUMENTS), Script(prefill=behaviour, instruction=behaviour)
    )
    events = await instance.ask(await instance.session(), "Charge me.")
    assert charged == [(12, "EUR")]
    assert end_of(events).outcome == "completed"
    resets = [at for at, event in enumerate(events) if isinstance(event, Reset)]
    assert text_of(events[resets[-1] if resets else 0 :]) == ANSWER


@pytest.mark.requirement("M27", "P-2")
@pytest.mark.parametrize("behaviour", FALLBACKS)
@pytest.mark.parametrize("fault", CUTS)
async def test_output_that_must_parse_is_begun_again_unseen(begin: Begin, fault: str, behaviour: Behaviour) -> None:
    whole = Script(answer=JSON, prefill=behaviour, instruction=behaviour)
    instance = await begin(Script(answer=JSON, fault=fault), whole, output_type=NativeOutput(Log))
    events = await instance.ask(await instance.session(), "Which ships?")
    assert instance.providers[0].fired[fault] >= 1
    assert end_of(events).outcome == "completed"
    assert not any(isinstance(event, Reset) for event in events)
    assert Log.model_validate_json(text_of(events)) == LOG


@pytest.mark.requirement("M27", "P-4")
async def test_the_next_turn_knows_what_the_tool_said(begin: Begin) -> None:
    charged: Charged = []
    instance = await begin(Script(fault="tool_call", arguments=ARGUMENTS), tools=charging(charged))
    session = await instance.session()
    await instance.ask(session, "Charge me.")
    await instance.providers[0].play(Script())
    events = await instance.ask(session, "Was it done?")
    assert end_of(events[-1:]).outcome == "completed"
    told = instance.providers[0].requests[-1].body["messages"]
    assert [message["role"] for message in told[1:]] == ["user", "assistant", "tool", "assistant", "user"]
    assert told[3]["content"] == "done"
    assert len(charged) == 1


@pytest.mark.requirement("M27", "P-2")
async def test_output_that_does_not_parse_is_asked_for_again(begin: Begin) -> None:
    instance = await begin(Script(answer='{"ships": "many"}'), output_type=NativeOutput(Log))
    await instance.providers[0].play(Script(answer='{"ships": "many"}', fault="no_space", times=1), Script(answer=JSON))
    events = await instance.ask(await instance.session(), "Which ships?")
    assert end_of(events).outcome == "completed"
    newest = [event.message for event in events if isinstance(event, TextDelta)][-1]
    texts = [event.text for event in events if isinstance(event, TextDelta) and event.message == newest]
    assert Log.model_validate_json("".join(texts)) == LOG
