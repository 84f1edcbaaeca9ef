"""Candidates: what the process remembers of a model, and stakes that are settled once."""

import asyncio

import pytest

from tests.unit.llm.fakes import FakeUpstream, candidate, says
from yaoki.errors import (
    ConfigurationSettingError,
    ModelMalformedError,
    ModelNotFoundError,
    ModelRateLimitedError,
    ModelUnavailableError,
    ResourceBreakerOpenError,
)
from yaoki.llm.chain.candidates import PANIC_AT_ONCE, CandidatePolicy

DOWN = ModelUnavailableError("down")


def some(**asked: object):
    return candidate("a", FakeUpstream(says("hi"), prefill=asked.pop("prefill", True)), threshold=1, **asked)


def test_a_policy_without_time_or_room_is_refused() -> None:
    with pytest.raises(ConfigurationSettingError):
        CandidatePolicy(idle_timeout_s=0)
    with pytest.raises(ConfigurationSettingError):
        CandidatePolicy(max_output_tokens=0)


def test_a_loss_counts_against_the_candidate() -> None:
    one = some()
    one.admit(anyway=False).lost(DOWN)
    assert one.breaker.state == "open"


def test_the_callers_own_fault_does_not() -> None:
    one = some()
    one.admit(anyway=False).lost(ModelMalformedError("The provider answered 422.", foreign_status=422))
    assert one.breaker.state == "closed"


def test_a_stake_is_settled_once() -> None:
    one = some()
    stake = one.admit(anyway=False)
    stake.won()
    stake.lost(DOWN)
    assert one.breaker.state == "closed"


def test_past_an_open_breaker_only_few_are_let_and_only_if_asked() -> None:
    one = some()
    one.admit(anyway=False).lost(DOWN)
    with pytest.raises(ResourceBreakerOpenError):
        one.admit(anyway=False)
    stakes = [one.admit(anyway=True) for _ in range(PANIC_AT_ONCE)]
    with pytest.raises(ResourceBreakerOpenError):
        one.admit(anyway=True)
    stakes[0].void()
    stakes[0].void()
    one.admit(anyway=True)
    with pytest.raises(ResourceBreakerOpenError):
        one.admit(anyway=True)


def test_it_rests_as_long_as_it_asked_and_a_name_that_is_unknown_longer() -> None:
    one = some()
    one.rest(ModelRateLimitedError("slow down", retry_after_s=20.0))
    assert 19 < one.rest_s <= 20
    assert not one.healthy
    one.rest(ModelNotFoundError("who?"))
    assert 59 < one.rest_s <= 60


@pytest.mark.parametrize("continuation,mode", [("prefill", "prefill"), ("instruction", "instruction"), ("off", None)])
async def test_a_fixed_continuation_needs_no_probe(continuation: str, mode: str | None) -> None:
    upstream = FakeUpstream(says("hi"))
    assert await candidate("a", upstream, continuation=continuation).continuation_mode() == mode
    assert upstream.probes == 0


@pytest.mark.parametrize("honours,mode", [(True, "prefill"), (False, "instruction")])
async def test_auto_probes_once_and_remembers(honours: bool, mode: str) -> None:
    upstream = FakeUpstream(says("hi"), prefill=honours)
    one = candidate("a", upstream)
    modes = await asyncio.gather(*(one.continuation_mode() for _ in range(5)))
    assert modes == [mode] * 5
    assert upstream.probes == 1


async def test_a_failed_probe_is_asked_again_later() -> None:
    upstream = FakeUpstream(says("hi"), prefill=DOWN)
    one = candidate("a", upstream)
    assert await one.continuation_mode() == "instruction"
    upstream.prefill = True
    assert await one.continuation_mode() == "prefill"


async def test_a_refusal_seen_live_is_remembered() -> None:
    one = candidate("a", FakeUpstream(says("hi")))
    assert one.may_be_instructed
    one.refuse_prefill()
    assert await one.continuation_mode() == "instruction"


def test_a_refusal_of_a_fixed_prefill_leaves_no_other_way() -> None:
    assert not candidate("a", FakeUpstream(says("hi")), continuation="prefill").may_be_instructed
