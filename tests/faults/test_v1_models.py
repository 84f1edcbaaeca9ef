"""Every model fault through the base URL, streamed and not, with fallbacks of every kind behind it.

Each answer is whole, or plainly told to be none: never passed off, never repeated, never hung.
"""

import pytest

from tests.faults.v1 import JOINING, TOOL, Gateway, ask, gateway, shared_gateway
from yaoki.faults import ANSWER, FAULTS, Script

__all__ = ["gateway", "shared_gateway"]

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

_NOT_TEXT = (
    "length",
    "filtered",
    "refusal",
    "endless",
    "repeating",
    "says_",
    "slow_drip",
    "tool_",
    "bad_arguments",
    "unknown_tool",
)
_ENDINGS = {
    "length_too_long",
    "length_too_short",
    "endless_head",
    "endless_event",
    "endless_reasoning",
}
HEALED = [f.name for f in FAULTS.values() if not f.healthy and (f.name in _ENDINGS or not f.name.startswith(_NOT_TEXT))]
ODD = [f.name for f in FAULTS.values() if f.healthy and not f.name.startswith(("tool_", "says_"))]
RESTING = {"rate_limited", "http_503_wait", "quota_spent", "unauthorized", "forbidden", "model_not_found"}
"""After these the first model is left alone for a while."""


def script(fault: str) -> Script:
    pause_s = 30.0 if fault in ("slow_first_byte", "slow_first_token") else 0.1
    return Script(fault=fault, pause_s=pause_s, retry_after_s=0.1)


@pytest.mark.requirement("M1", "M2", "M4", "M5", "M6", "M9", "M10", "M11", "M12", "M13", "M14", "M15", "M16", "M17")
@pytest.mark.requirement("M27", "P-2", "P-3")
@pytest.mark.parametrize("fault", [name for name in HEALED if name not in RESTING])
async def test_a_fault_is_healed_or_told(gateway: Gateway, fault: str) -> None:
    await assert_healed_or_told(gateway, fault)


async def assert_healed_or_told(gateway: Gateway, fault: str) -> None:
    await gateway.first.play(script(fault))
    tools = {"tools": [TOOL]} if "call" in fault else {}
    for (name, streamed), answer in (await gateway.ask_all(**tools)).items():
        if streamed and name not in JOINING and answer.told:
            assert ANSWER.startswith(answer.text), (name, answer)
            assert answer.broken, (name, answer)
            assert answer.error is not None
            assert answer.error["code"].startswith("model."), (name, answer)
        else:
            answer.assert_whole()
            assert answer.status == 200


@pytest.mark.requirement("M28")
@pytest.mark.parametrize("fault", ODD)
async def test_what_is_only_odd_costs_nothing(gateway: Gateway, fault: str) -> None:
    await gateway.first.play(Script(fault=fault, pause_s=0.1))
    for streamed in (True, False):
        answer = await ask(gateway.http, "honour", streamed=streamed)
        answer.assert_whole()
        assert (answer.story["failovers"], answer.story["models"]) == ([], ["honour"])


@pytest.mark.requirement("M17", "M18", "M19", "P-2")
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    "fault, reason",
    [
        ("length", "length"),
        ("length_max_tokens", "length"),
        ("length_upper", "length"),
        ("endless", "length"),
        ("filtered", "content_filter"),
        ("filtered_first", "content_filter"),
        ("filtered_safety", "content_filter"),
        ("refusal", "content_filter"),
        ("length_in_call", "length"),
    ],
)
async def test_an_end_that_is_no_success_keeps_its_name(
    gateway: Gateway, fault: str, reason: str, *, streamed: bool
) -> None:
    await gateway.first.play(Script(fault=fault, at=166))
    answer = await ask(gateway.http, "honour", streamed=streamed, tools=[TOOL])
    assert (answer.status, answer.finishes, answer.error, answer.calls) == (200, [reason], None, [])
    assert answer.text.startswith(ANSWER[:166]) or fault in ("filtered_first", "refusal", "length_in_call")


@pytest.mark.requirement("M17", "P-2", "P-3")
async def test_the_same_words_over_and_over_are_no_end(gateway: Gateway) -> None:
    """What comes quickly is known for a loop before any of it is shown, and then it is healed in a stream, too."""
    await gateway.first.play(Script(fault="repeating", at=166))
    streamed = await ask(gateway.http, "honour", streamed=True)
    if streamed.told:
        assert streamed.broken
        assert streamed.text.startswith(ANSWER[:166])
        assert streamed.text.count("over") < 20
    else:
        streamed.assert_whole()
    (await ask(gateway.http, "honour", streamed=False)).assert_whole()


@pytest.mark.requirement("M25")
@pytest.mark.parametrize("streamed", [True, False])
async def test_when_everything_is_down_it_says_so_and_when_to_come_back(gateway: Gateway, *, streamed: bool) -> None:
    await gateway.first.play(Script(fault="refused"))
    await gateway.fallbacks["honour"].play(Script(fault="http_503", everywhere=True))
    answer = await ask(gateway.http, "honour", streamed=streamed)
    await gateway.fallbacks["honour"].play(Script())
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.error is not None
    assert answer.error["code"] == "model.all_failed"


@pytest.mark.requirement("M11", "P-2")
async def test_half_an_answer_that_nobody_can_finish_is_told_inside_the_stream(gateway: Gateway) -> None:
    await gateway.first.play(Script(fault="cut_mid_stream", at=166))
    await gateway.fallbacks["honour"].play(Script(fault="http_500"))
    streamed = await ask(gateway.http, "honour", streamed=True)
    whole = await ask(gateway.http, "honour", streamed=False)
    await gateway.fallbacks["honour"].play(Script())
    assert streamed.told
    assert streamed.broken
    assert ANSWER.startswith(streamed.text)
    assert streamed.text
    assert whole.status == 503


@pytest.mark.requirement("M27")
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("fault", ["tool_call", "tool_call_at_once", "tool_call_stop"])
async def test_a_tool_call_comes_whole(gateway: Gateway, fault: str, *, streamed: bool) -> None:
    await gateway.first.play(Script(fault=fault, arguments={"amount": 12}))
    answer = await ask(gateway.http, "honour", streamed=streamed, tools=[TOOL])
    [call] = answer.calls
    assert call["function"] == {"name": "charge", "arguments": '{"amount": 12}'}
    assert (answer.finishes, answer.story["models"]) == (["tool_calls"], ["honour"])


@pytest.mark.requirement("M27", "P-2")
@pytest.mark.parametrize("fault", ["cut_mid_stream", "reset_in_character", "stall_mid_stream", "error_event"])
async def test_json_is_held_and_begun_again_unseen(gateway: Gateway, fault: str) -> None:
    await gateway.first.play(Script(fault=fault))
    form = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}}
    for (name, _), answer in (await gateway.ask_all(**form)).items():
        answer.assert_whole()
        assert answer.story["models"] == [f"{name}-next"]
        assert answer.story["continued"] == 0


@pytest.mark.requirement("M1", "M3", "M4", "M23", "M24")
@pytest.mark.parametrize("fault", sorted(RESTING))
async def test_a_model_that_has_to_be_left_alone_is_healed_or_told(gateway: Gateway, fault: str) -> None:
    """The last ones in this file, since the first model rests after them."""
    await assert_healed_or_told(gateway, fault)
