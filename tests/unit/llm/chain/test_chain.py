"""The chain's rules, one by one, over upstreams that say exactly what a test needs."""

import asyncio
from itertools import pairwise

import pytest

from tests.unit.llm.fakes import FakeUpstream, Line, Told, candidate, chain_of, hold, says
from yaoki.errors import (
    ModelAllFailedError,
    ModelAuthenticationError,
    ModelMalformedError,
    ModelQuotaExceededError,
    ModelRateLimitedError,
    ModelTruncatedError,
    ModelUnavailableError,
)
from yaoki.llm.chain.budget import TurnBudget
from yaoki.llm.chain.chain import Chain
from yaoki.llm.chain.notices import AttemptFailed, FailedOver, FirstToken
from yaoki.llm.deltas import (
    Continuation,
    Failover,
    Finish,
    FinishReason,
    Reasoning,
    Restart,
    Text,
    ToolCall,
    ToolCallPiece,
    Usage,
)
from yaoki.resilience.notices import Notices

CUT = [Text("The capital"), Text(" of"), Text(" Fra"), ModelTruncatedError("cut", fault="cut")]
REST = says(" France is Paris.")
DOWN = [ModelUnavailableError("down")]


async def test_a_whole_answer_passes_as_it_is() -> None:
    told = await Told().hear(chain_of(FakeUpstream([Text("Hi"), Text(" there"), Usage(3, 2), Finish("stop")])))
    assert told.text == "Hi there"
    assert told.items[-2:] == [Usage(3, 2), Finish("stop")]


@pytest.mark.requirement("M11", "P-3")
async def test_a_cut_answer_goes_on_with_the_next_candidate() -> None:
    second = FakeUpstream(REST)
    told = await Told().hear(chain_of(FakeUpstream(CUT), second))
    assert told.text == "The capital of France is Paris."
    assert told.of(Failover) == [Failover("a", "b", "model.truncated", True, len("The capital of"))]
    assert told.of(Continuation) == [Continuation("b", "prefill", len(" Fra"))]
    assert [half.text for half in second.asked if half] == ["The capital of"]


@pytest.mark.requirement("P-2")
async def test_an_end_without_a_finish_reason_is_a_cut() -> None:
    told = await Told().hear(chain_of(FakeUpstream([Text("Half an")]), FakeUpstream(says("Half an answer."))))
    assert told.text == "Half an answer."
    assert told.of(Failover)[0].kind == "model.truncated"


@pytest.mark.requirement("M27")
async def test_calls_of_a_cut_response_are_never_handed_out() -> None:
    call = ToolCall("charge", "{}")
    first = FakeUpstream([ToolCallPiece(2), call, ModelTruncatedError("cut", fault="cut")])
    told = await Told().hear(chain_of(first, FakeUpstream([call, Finish("tool_calls")])))
    assert len(told.of(ToolCall)) == 1


@pytest.mark.requirement("M27")
async def test_calls_of_a_response_that_hit_its_limit_are_never_handed_out() -> None:
    told = await Told().hear(chain_of(FakeUpstream([ToolCallPiece(2), ToolCall("charge", "{"), Finish("length")])))
    assert told.items == [Finish("length")]


@pytest.mark.requirement("M27")
@pytest.mark.parametrize("reason", ["stop", "tool_calls"])
async def test_a_call_cut_in_its_arguments_is_asked_for_again_although_it_is_called_whole(reason: FinishReason) -> None:
    first = FakeUpstream([ToolCallPiece(9), ToolCall("charge", '{"euro": "1'), Finish(reason)])
    told = await Told().hear(chain_of(first, FakeUpstream([ToolCall("charge", '{"euro": 1}'), Finish("tool_calls")])))
    assert [call.arguments for call in told.of(ToolCall)] == ['{"euro": 1}']
    assert told.of(Failover)[0].kind == "model.truncated"


@pytest.mark.requirement("M27")
@pytest.mark.parametrize("arguments", ["", "{}", "[1]", "{a: 1}", "oops", '{"a": 1}{"a": 1}', '{"a": "{["}'])
async def test_arguments_that_are_wrong_and_not_cut_are_for_whoever_runs_the_tool(arguments: str) -> None:
    call = ToolCall("charge", arguments)
    told = await Told().hear(chain_of(FakeUpstream([ToolCallPiece(1), call, Finish("tool_calls")])))
    assert [call.arguments for call in told.of(ToolCall)] == [arguments]


@pytest.mark.requirement("M27")
async def test_a_call_that_is_announced_and_does_not_come_is_asked_for_again() -> None:
    first = FakeUpstream([Text("Let me look."), Finish("tool_calls")])
    told = await Told().hear(chain_of(first, FakeUpstream([ToolCall("look", "{}"), Finish("tool_calls")])))
    assert told.text == "Let me look."
    assert len(told.of(ToolCall)) == 1


@pytest.mark.requirement("M27")
async def test_held_json_that_is_cut_is_begun_again_although_it_is_called_whole() -> None:
    chain = chain_of(
        FakeUpstream([Text('{"a": 1, "b'), Finish("stop")]), FakeUpstream([Text('{"a": 1}'), Finish("stop")])
    )
    told = await Told().hear(chain, hold_text=True)
    assert (told.text, told.of(Failover)[0].kind) == ('{"a": 1}', "model.truncated")


@pytest.mark.requirement("M27")
async def test_a_call_lost_after_text_is_asked_for_again_and_the_text_stays() -> None:
    first = FakeUpstream([Text("Let me look."), Text(" \n"), ToolCallPiece(4), ModelTruncatedError("cut", fault="cut")])
    second = FakeUpstream([ToolCall("look", "{}"), Finish("tool_calls")])
    told = await Told().hear(chain_of(first, second))
    assert told.text == "Let me look."
    assert len(told.of(ToolCall)) == 1
    assert second.asked[0] is not None
    assert (second.asked[0].mode, second.asked[0].calling) == ("instruction", True)


async def test_every_call_gets_an_id_of_its_own() -> None:
    same = ToolCall("look", "{}", call_id="call_0")
    chain = chain_of(FakeUpstream([same, same, Finish("tool_calls")]))
    told = await Told().hear(chain)
    told = await told.hear(chain)
    assert len({call.call_id for call in told.of(ToolCall)}) == 4


@pytest.mark.requirement("M15")
async def test_an_empty_answer_is_asked_of_another_model() -> None:
    told = await Told().hear(chain_of(FakeUpstream([Reasoning("Hm."), Finish("stop")]), FakeUpstream(says("Yes."))))
    assert told.text == "Yes."
    assert told.of(Failover)[0].kind == "model.empty"


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_an_answer_that_was_limited_or_filtered_says_so_and_is_not_retried(reason: str) -> None:
    second = FakeUpstream(says("never"))
    told = await Told().hear(chain_of(FakeUpstream(says("A long", reason)), second))
    assert told.items[-1] == Finish(reason)
    assert not second.asked


@pytest.mark.requirement("M4")
async def test_no_retry_while_another_healthy_candidate_is_left() -> None:
    first, second = FakeUpstream(DOWN), FakeUpstream(says("Yes."))
    await Told().hear(chain_of(first, second))
    assert (len(first.asked), len(second.asked)) == (1, 1)


@pytest.mark.requirement("M4")
async def test_the_last_candidate_gets_two_retries_and_no_more() -> None:
    only = FakeUpstream(DOWN)
    with pytest.raises(ModelAllFailedError) as failed:
        await Told().hear(chain_of(only))
    assert len(only.asked) == 3
    assert failed.value.facts["attempts"] == [{"model": "a", "kind": "model.unavailable"}] * 3
    assert failed.value.facts["shown_chars"] == 0


@pytest.mark.requirement("M11", "P-6")
async def test_an_answer_that_grows_is_retried_as_long_as_the_budget_allows() -> None:
    words = ["Seven", " ships", " passed", " by", " night", " here."]
    cuts: list[list[Line]] = [[Text(one), Text(other)] for one, other in pairwise(words)]
    told = await Told().hear(chain_of(FakeUpstream(*cuts[:-1], says(" night here."))))
    assert told.text == "Seven ships passed by night here."
    hopeless = FakeUpstream(*cuts)
    with pytest.raises(ModelAllFailedError):
        await Told().hear(chain_of(hopeless), TurnBudget(max_attempts=4))
    assert len(hopeless.asked) == 4


async def test_a_retry_of_the_same_candidate_continues_and_is_no_failover() -> None:
    told = await Told().hear(chain_of(FakeUpstream(CUT, REST)))
    assert told.text == "The capital of France is Paris."
    assert not told.of(Failover)
    assert len(told.of(Continuation)) == 1


@pytest.mark.requirement("M1")
async def test_retry_after_is_obeyed_within_the_deadline() -> None:
    only = FakeUpstream([ModelRateLimitedError("slow down", retry_after_s=0.05)], says("Yes."))
    started = asyncio.get_running_loop().time()
    told = await Told().hear(chain_of(only))
    assert told.text == "Yes."
    assert asyncio.get_running_loop().time() - started >= 0.05


@pytest.mark.requirement("M1")
async def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    only = FakeUpstream([ModelRateLimitedError("slow down", retry_after_s=60.0)])
    with pytest.raises(ModelAllFailedError) as failed:
        await Told().hear(chain_of(only), TurnBudget(deadline_s=5.0))
    assert failed.value.retry_after_s == 60.0
    assert len(only.asked) == 1


@pytest.mark.requirement("M1")
async def test_a_candidate_that_asked_to_be_left_alone_is_not_the_first_of_the_next_answer() -> None:
    first = FakeUpstream([ModelRateLimitedError("slow down", retry_after_s=30.0)], says("first"))
    chain = chain_of(first, FakeUpstream(says("second")))
    await Told().hear(chain)
    told = await Told().hear(chain)
    assert (told.text, len(first.asked)) == ("second", 1)


@pytest.mark.requirement("M3", "M23")
@pytest.mark.parametrize("error", [ModelQuotaExceededError("spent"), ModelAuthenticationError("no")])
async def test_a_key_that_does_not_open_is_parked_and_not_retried(error: ModelQuotaExceededError) -> None:
    only = FakeUpstream([error])
    chain = chain_of(only)
    with pytest.raises(ModelAllFailedError):
        await Told().hear(chain)
    assert len(only.asked) == 1
    assert chain.candidates[0].rest_s > 30


async def test_a_request_that_is_at_fault_itself_opens_no_breaker() -> None:
    bad = ModelMalformedError("The provider answered 400.", foreign_status=400)
    chain = Chain([candidate("a", FakeUpstream([bad]), threshold=1)])
    with pytest.raises(ModelAllFailedError):
        await Told().hear(chain)
    assert chain.candidates[0].breaker.state == "closed"


@pytest.mark.requirement("M25")
async def test_when_no_breaker_admits_the_first_is_tried_all_the_same() -> None:
    upstream = FakeUpstream(DOWN, DOWN, says("Back."))
    chain = Chain([candidate("a", upstream, threshold=1)])
    chain.candidates[0].breaker.admit().failed()
    assert chain.candidates[0].breaker.state == "open"
    assert (await Told().hear(Chain(chain.candidates))).text == "Back."


async def test_only_few_at_a_time_go_past_an_open_breaker() -> None:
    upstream = FakeUpstream([hold])
    chain = Chain([candidate("a", upstream, threshold=1)])
    chain.candidates[0].breaker.admit().failed()
    tasks = [asyncio.create_task(Told().hear(chain)) for _ in range(6)]
    while sum(task.done() for task in tasks) < 4 or upstream.open < 2:
        await asyncio.sleep(0)
    assert upstream.open == 2
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, ModelAllFailedError) for result in results) == 4
    assert upstream.open == 0
    assert chain.candidates[0].bearable


async def test_a_candidate_held_open_by_hand_is_never_tried() -> None:
    upstream = FakeUpstream(says("never"))
    chain = chain_of(upstream)
    chain.candidates[0].breaker.isolate()
    with pytest.raises(ModelAllFailedError):
        await Told().hear(chain)
    assert not upstream.asked


@pytest.mark.requirement("P-3")
async def test_a_refused_seam_tries_the_others_first() -> None:
    third = FakeUpstream(REST)
    told = await Told().hear(chain_of(FakeUpstream(CUT), FakeUpstream(says("Sure, here it is: France.")), third))
    assert told.text == "The capital of France is Paris."
    assert not told.of(Restart)


@pytest.mark.requirement("P-3")
async def test_when_nobody_continues_it_begins_again_once_and_says_so() -> None:
    second = FakeUpstream(says("Sure, here is the rest: France."), says("Paris is the capital."))
    told = await Told().hear(chain_of(FakeUpstream(CUT), second))
    assert told.text == "Paris is the capital."
    assert len(told.of(Restart)) == 1
    assert second.asked[1] is None


async def test_a_second_restart_is_not_made() -> None:
    lines = [*says("Well, the answer is")[:-1], ModelTruncatedError("cut", fault="cut")]
    stubborn = FakeUpstream(lines, says("Sure, here is the rest: no."))
    other = FakeUpstream(says("Certainly! Here is more."), lines, says("Sure, here is the rest: no."))
    with pytest.raises(ModelAllFailedError):
        await Told().hear(chain_of(stubborn, other))


async def test_candidates_that_must_not_continue_begin_again() -> None:
    told = await Told().hear(chain_of(FakeUpstream(CUT), FakeUpstream(says("Paris.")), continuation="off"))
    assert told.text == "Paris."
    assert len(told.of(Restart)) == 1


@pytest.mark.requirement("P-3")
async def test_a_prefill_that_is_refused_is_asked_for_by_instruction_and_remembered() -> None:
    refusal = ModelMalformedError("The provider answered 400.", foreign_status=400)
    second = FakeUpstream([refusal], says("The capital of France is Paris."))
    chain = chain_of(FakeUpstream(CUT), second)
    told = await Told().hear(chain)
    assert told.text == "The capital of France is Paris."
    assert [half.mode for half in second.asked if half] == ["prefill", "instruction"]
    assert await chain.candidates[1].continuation_mode() == "instruction"


@pytest.mark.requirement("P-3")
async def test_a_refusal_that_was_not_of_the_prefill_teaches_nothing() -> None:
    refusal = ModelMalformedError("The provider answered 400.", foreign_status=400)
    second = FakeUpstream([refusal], [refusal], says("The capital of France is Paris."))
    chain = chain_of(FakeUpstream(CUT), second)
    told = await Told().hear(chain)
    assert [half and half.mode for half in second.asked] == ["prefill", "instruction", None]
    assert (told.text, len(told.of(Restart))) == ("The capital of France is Paris.", 1)
    assert await chain.candidates[1].continuation_mode() == "prefill"


async def test_held_text_is_shown_whole_or_not_at_all() -> None:
    first = FakeUpstream([Text('{"a": 1, '), Text('"b":'), ModelTruncatedError("cut", fault="cut")])
    second = FakeUpstream([Text('{"a": 1,'), Text(' "b": 2}'), Finish("stop")])
    told = await Told().hear(chain_of(first, second), hold_text=True)
    assert told.of(Text) == [Text('{"a": 1, "b": 2}', "b")]
    assert second.asked == [None]
    assert not told.of(Restart)


async def test_an_answer_from_before_a_crash_is_continued_and_not_repeated() -> None:
    upstream = FakeUpstream(REST)
    told = await Told().hear(chain_of(upstream), resume_text="The capital of")
    assert told.text == " France is Paris."
    assert told.of(Continuation) == [Continuation("a", "prefill", 0)]


async def test_a_mode_that_is_not_known_yet_is_asked_for_once() -> None:
    second = FakeUpstream(REST)
    chain = chain_of(FakeUpstream(CUT), second)
    await Told().hear(chain)
    await Told().hear(chain)
    assert second.probes == 1


async def test_warming_asks_everybody_before_anybody_waits_for_it() -> None:
    upstreams = FakeUpstream(CUT), FakeUpstream(REST)
    chain = chain_of(*upstreams)
    chain.warm()
    while not all(upstream.probes for upstream in upstreams):
        await asyncio.sleep(0)
    await Told().hear(chain)
    assert [upstream.probes for upstream in upstreams] == [1, 1]
    await chain.aclose()
    assert all(upstream.closed for upstream in upstreams)


async def test_a_probe_that_fails_means_instruction_this_time() -> None:
    second = FakeUpstream(says("The capital of France is Paris."), prefill=ModelUnavailableError("down"))
    told = await Told().hear(chain_of(FakeUpstream(CUT), second))
    assert told.of(Continuation)[0].mode == "instruction"
    assert told.text == "The capital of France is Paris."


async def test_what_happened_is_told_to_whoever_listens() -> None:
    notices, heard = Notices(), list[object]()
    for kind in (AttemptFailed, FailedOver, FirstToken):
        notices.subscribe(kind, heard.append)
    await Told().hear(chain_of(FakeUpstream(CUT), FakeUpstream(REST), notices=notices))
    tokens = [notice for notice in heard if isinstance(notice, FirstToken)]
    assert [notice.model for notice in tokens] == ["a", "b"]
    assert AttemptFailed("a", "model.truncated", "cut") in heard
    assert FailedOver("a", "b", "mid_stream") in heard


@pytest.mark.requirement("M27", "P-3")
async def test_a_call_cut_before_the_rest_of_the_text_came_leaves_that_rest_wanted() -> None:
    first = FakeUpstream([Text("Let me look at the"), Text(" two "), ModelTruncatedError("cut", fault="cut")])
    second = FakeUpstream([ToolCallPiece(4), ModelTruncatedError("cut", fault="cut")])
    third = FakeUpstream([Text(" ships."), ToolCallPiece(2), ToolCall("look", "{}"), Finish("tool_calls")])
    told = await Told().hear(chain_of(first, second, third))
    assert told.text == "Let me look at the two ships."
    assert third.asked[0] is not None
    assert not third.asked[0].calling


@pytest.mark.requirement("M15", "M17")
@pytest.mark.parametrize("unseen", [" \n\u200b", "\u2060", "\ufeff\u200d"])
async def test_what_takes_no_room_is_no_answer_and_is_never_shown(unseen: str) -> None:
    told = await Told().hear(chain_of(FakeUpstream([Text(unseen), Finish("stop")]), FakeUpstream(says("All well."))))
    assert told.text == "All well."
