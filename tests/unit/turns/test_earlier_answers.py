"""When every model is down: the answer that was given before, said to be that; else a statement, in the right words."""

import pytest
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart

from tests.unit.turns.conftest import Begin
from tests.unit.turns.instance import WAIT_S, Instance, end_of, text_of
from yaoki.faults.script import ANSWER, Script
from yaoki.llm.answer_cache import AnswerCache, CachePolicy
from yaoki.llm.chain.chain import Chain
from yaoki.store.events import AnsweredFromCache, Degraded, DomainEvent, TextDelta, TurnEnded
from yaoki.testing import FakeClock
from yaoki.turns.earlier_answers import EarlierAnswers
from yaoki.turns.statements import LANGUAGES, no_answer

DOWN = Script(fault="http_503")


async def answered_then_down(instance: Instance, question: str = "hello") -> None:
    end = end_of(await instance.ask(await instance.session(), question))
    assert end.outcome == "completed"
    for provider in instance.providers:
        await provider.play(DOWN)
        provider.requests.clear()


@pytest.mark.requirement("M25", "P-2", "P-7")
async def test_the_same_question_gets_its_earlier_answer_and_is_told_so(begin: Begin) -> None:
    instance = await begin(Script(), DOWN, answers=AnswerCache())
    await answered_then_down(instance)
    events = await instance.ask(await instance.session())
    end = end_of(events)
    assert (end.outcome, end.kind, text_of(events)) == ("cached", "model.all_failed", ANSWER)
    assert end.message
    assert "given before" in end.message
    said = [type(event) for event in events]
    assert said.index(AnsweredFromCache) < said.index(TextDelta)
    assert Degraded not in said
    assert all(provider.requests for provider in instance.providers)  # everybody was asked first


@pytest.mark.requirement("M25")
async def test_it_is_told_to_the_next_turn_as_what_was_said(begin: Begin) -> None:
    instance = await begin(Script(), answers=AnswerCache())
    await answered_then_down(instance)
    session = await instance.session()
    await instance.ask(session)
    await instance.providers[0].play(Script())
    await instance.ask(session, "and then?")
    assert instance.providers[0].requests[-1].body["messages"][2]["content"] == ANSWER


@pytest.mark.requirement("M25")
async def test_another_question_another_owner_or_another_conversation_gets_none(begin: Begin) -> None:
    instance = await begin(Script(), answers=AnswerCache())
    await answered_then_down(instance)
    assert end_of(await instance.ask(await instance.session(), "hello?")).outcome == "degraded"
    stranger = await instance.orchestrator.create_session("somebody else")
    await instance.orchestrator.send("somebody else", stranger.id, "hello")
    log: list[DomainEvent] = []
    with await instance.orchestrator.tail("somebody else", stranger.id, 0) as tail:
        while not any(isinstance(event, TurnEnded) for event in log):
            log += [stored.event for stored in await tail.read(WAIT_S)]
    assert end_of(log).outcome == "degraded"


async def test_a_cut_off_answer_is_not_kept(begin: Begin) -> None:
    cache = AnswerCache()
    instance = await begin(Script(fault="length"), answers=cache)
    await instance.ask(await instance.session())
    assert len(cache) == 0


async def test_half_an_answer_is_never_replaced_by_an_earlier_one(begin: Begin) -> None:
    instance = await begin(Script(), answers=AnswerCache())
    await answered_then_down(instance)
    await instance.providers[0].play(Script(fault="cut_mid_stream"), DOWN)
    assert end_of(await instance.ask(await instance.session())).outcome == "failed"


def test_an_answer_is_kept_for_so_long_and_so_many_are_kept() -> None:
    clock = FakeClock()
    cache = AnswerCache(CachePolicy(ttl_s=60.0, max_entries=2), clock=clock)
    keys = [cache.key("ann", "a", ["m"], [["user", str(number)]]) for number in range(3)]
    cache.put(keys[0], "zero", "m")
    cache.put(keys[1], "one", "m")
    assert cache.get(keys[0])
    cache.put(keys[2], "two", "m")
    assert [bool(cache.get(key)) for key in keys] == [True, False, True]
    clock.move(61.0)
    assert [cache.get(key) for key in keys] == [None, None, None]


def test_every_part_of_the_key_counts() -> None:
    cache = AnswerCache()
    cases = [("ann", "a", ["m"], ["x"]), ("bob", "a", ["m"], ["x"]), ("ann", "b", ["m"], ["x"])]
    cases += [("ann", "a", ["m", "n"], ["x"]), ("ann", "a", ["m"], ["y"]), ("ann", "a", ["m", "x"], [])]
    assert len({cache.key(*case) for case in cases}) == len(cases)


def test_nothing_is_kept_where_nothing_may_be() -> None:
    cache = AnswerCache(CachePolicy(max_entries=0))
    cache.put(cache.key("ann", "a", [], []), "text", "m")
    assert (len(cache), cache.enabled) == (0, False)


def test_a_conversation_with_tools_has_no_key() -> None:
    question = ModelRequest(parts=[UserPromptPart("How many?")])
    calls = ModelResponse(parts=[ToolCallPart("count", {}, tool_call_id="c")])
    returns = ModelRequest(parts=[ToolReturnPart("count", 7, tool_call_id="c")])
    cache, chain = AnswerCache(), Chain([])
    assert EarlierAnswers.of(cache, "ann", ("a", ""), chain, [question, calls, returns, question]).key is None
    plain = EarlierAnswers.of(cache, "ann", ("a", ""), chain, [question])
    assert plain.key is not None
    plain.keep(calls)
    assert plain.find() is None
    plain.keep(ModelResponse(parts=[TextPart("Seven.")], model_name="m"))
    found = plain.find()
    assert found is not None
    assert (found.text, found.model) == ("Seven.", "m")


@pytest.mark.requirement("M25", "P-7")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_statement_is_in_the_agents_language(begin: Begin, language: str) -> None:
    instance = await begin(Script(fault="refused"), language=language)
    events = await instance.ask(await instance.session())
    statement = no_answer("default", language=language)  # type: ignore[arg-type]
    assert text_of(events).partition("30")[0] == statement.partition("30")[0]
    assert "{" not in text_of(events)
    assert end_of(events).outcome == "degraded"


async def test_the_statement_may_be_the_agents_own(begin: Begin) -> None:
    instance = await begin(Script(fault="refused"), degraded="{agent} schläft. {nobody} weiß mehr.")
    assert text_of(await instance.ask(await instance.session())) == "default schläft. {nobody} weiß mehr."
