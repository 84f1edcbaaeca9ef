"""The provider beside its faults: scripts in order, records, continuation, control."""

import asyncio
import json

import pytest

from tests.unit.faults.raw_client import ASK, Message, exchange, text_and_finish
from yaoki.errors import ConfigurationSettingError
from yaoki.faults import ANSWER, ChatRequest, Script, ScriptedProvider
from yaoki.faults.script import PROBE

WORDS = "One two three four five six seven eight nine ten."
HALF = "One two three four"


def half_answer(half: str) -> list[Message]:
    return [*ASK, {"role": "assistant", "content": half}]


def instructed(half: str) -> list[Message]:
    return [
        *half_answer(half),
        {"role": "user", "content": f"You were cut off. Repeat this, then go on:\n{half[-20:]}\n"},
    ]


async def test_a_healthy_answer_is_whole_and_the_connection_serves_the_next() -> None:
    async with ScriptedProvider() as provider:
        first, second = await exchange(provider.base_url), await exchange(provider.base_url)
    assert text_and_finish(first.body) == text_and_finish(second.body) == (ANSWER, "stop")
    assert first.end == "open"


async def test_usage_comes_where_it_was_asked_for() -> None:
    async with ScriptedProvider() as provider:
        asked = await exchange(provider.base_url, stream_options={"include_usage": True})
        bare = await exchange(provider.base_url)
    assert b"completion_tokens" in asked.body
    assert b"completion_tokens" not in bare.body


async def test_the_fault_fires_after_exactly_at_characters() -> None:
    for at in (0, 1, 17, len(WORDS)):
        async with ScriptedProvider(Script(answer=WORDS, fault="cut_mid_stream", at=at)) as provider:
            assert text_and_finish((await exchange(provider.base_url)).body) == (WORDS[:at], None)


async def test_a_counted_fault_heals() -> None:
    async with ScriptedProvider(Script(fault="http_500", times=2)) as provider:
        statuses = [(await exchange(provider.base_url)).status for _ in range(4)]
    assert statuses == [500, 500, 200, 200]
    assert provider.fired["http_500"] == 2


async def test_scripts_follow_each_other() -> None:
    scripts = (Script(fault="http_503", times=1), Script(fault="html", times=1), Script(answer=WORDS))
    async with ScriptedProvider(*scripts) as provider:
        taken = [await exchange(provider.base_url) for _ in range(3)]
    assert [one.status for one in taken] == [503, 200, 200]
    assert text_and_finish(taken[2].body) == (WORDS, "stop")


async def test_the_answer_may_be_made_from_the_request() -> None:
    def echo(request: ChatRequest) -> str:
        return f"You said: {request.messages[-1]['content']}"

    async with ScriptedProvider(Script(answer=echo)) as provider:
        assert text_and_finish((await exchange(provider.base_url)).body) == ("You said: How many ships?", "stop")


async def test_a_refused_connection_is_refused_until_the_script_changes() -> None:
    async with ScriptedProvider(Script(fault="refused")) as provider:
        with pytest.raises(ConnectionRefusedError):
            await exchange(provider.base_url)
        address = provider.base_url
        await provider.play(Script(answer=WORDS))
        assert provider.base_url == address
        assert text_and_finish((await exchange(address)).body) == (WORDS, "stop")
        await provider.play(Script(fault="refused"))
        with pytest.raises(ConnectionRefusedError):
            await exchange(address)
    assert provider.fired["refused"] == 2


async def test_a_client_that_leaves_is_noticed() -> None:
    async with ScriptedProvider(Script(fault="stall_mid_stream")) as provider:
        await exchange(provider.base_url, quiet_s=0.05)
        async with asyncio.timeout(20):
            await provider.until(lambda it: it.requests[0].ended_at is not None)
        assert provider.requests[0].left


async def test_a_client_that_stays_is_not_said_to_have_left() -> None:
    async with ScriptedProvider() as provider:
        await exchange(provider.base_url)
        assert not provider.requests[0].left


@pytest.mark.parametrize(
    "behaviour, said",
    [
        ("honour", " five six seven eight nine ten."),
        ("ignore", WORDS),
        ("talk_over", "Sure, here is the rest of the answer: five six seven eight nine ten."),
        ("echo", WORDS),
        ("overlap", "two three four five six seven eight nine ten."),
    ],
)
async def test_half_an_answer_as_the_last_message(behaviour: str, said: str) -> None:
    async with ScriptedProvider(Script(answer=WORDS, prefill=behaviour)) as provider:
        taken = await exchange(provider.base_url, half_answer(HALF + " "))
    assert provider.requests[0].kind == "prefill"
    assert text_and_finish(taken.body) == (said, "stop")


@pytest.mark.parametrize(
    "behaviour, said",
    [
        ("honour", "One two three four five six seven eight nine ten."),
        ("ignore", "Again."),
        ("talk_over", "Sure, here is the rest of the answer: five six seven eight nine ten."),
        ("overlap", "two three four five six seven eight nine ten."),
    ],
)
async def test_half_an_answer_and_a_request_to_go_on(behaviour: str, said: str) -> None:
    async with ScriptedProvider(Script(answer=WORDS, instruction=behaviour, again="Again.")) as provider:
        taken = await exchange(provider.base_url, instructed(HALF))
    assert provider.requests[0].kind == "instruction"
    assert text_and_finish(taken.body) == (said, "stop")


async def test_a_refusal_to_continue_is_a_400() -> None:
    async with ScriptedProvider(Script(prefill="refuse", instruction="refuse")) as provider:
        for messages in (half_answer(HALF), instructed(HALF), half_answer(PROBE)):
            assert (await exchange(provider.base_url, messages)).status == 400
        assert (await exchange(provider.base_url)).status == 200


async def test_a_later_question_is_not_taken_for_a_continuation() -> None:
    messages = [*half_answer(WORDS), {"role": "user", "content": "And then?"}]
    async with ScriptedProvider(Script(answer=WORDS)) as provider:
        await exchange(provider.base_url, messages)
    assert provider.requests[0].kind == "answer"


@pytest.mark.parametrize(
    "behaviour, more, honoured",
    [
        ("honour", {}, True),
        ("ignore", {}, False),
        ("talk_over", {}, False),
        ("vllm", {}, False),
        ("vllm", {"continue_final_message": True}, True),
    ],
)
async def test_a_probe_tells_whether_half_an_answer_is_continued(behaviour: str, more: dict, honoured: bool) -> None:
    async with ScriptedProvider(Script(prefill=behaviour, fault="http_500")) as provider:
        text, _ = text_and_finish((await exchange(provider.base_url, half_answer(PROBE), **more)).body)
    assert text.lstrip().startswith("Paris") == honoured
    assert not provider.fired


async def test_a_fault_that_is_everywhere_hits_probes_and_models_too() -> None:
    async with ScriptedProvider(Script(fault="http_500", everywhere=True)) as provider:
        assert (await exchange(provider.base_url, half_answer(PROBE))).status == 500
        assert provider.fired["http_500"] == 1


async def test_a_tool_is_called_and_its_result_answered() -> None:
    tools = [{"type": "function", "function": {"name": "charge", "parameters": {}}}]
    async with ScriptedProvider(Script(fault="tool_call", arguments={"amount": 12})) as provider:
        called = await exchange(provider.base_url, tools=tools)
        answered = await exchange(provider.base_url, [*ASK, {"role": "tool", "tool_call_id": "1", "content": "done"}])
    assert b'"name": "charge"' in called.body
    assert text_and_finish(called.body) == ("", "tool_calls")
    assert text_and_finish(answered.body) == (ANSWER, "stop")


def test_an_unknown_fault_is_refused_with_what_is_near() -> None:
    with pytest.raises(ConfigurationSettingError, match="cut_mid_stream"):
        ScriptedProvider(Script(fault="cut_middle"))


async def test_scripts_are_changed_and_read_from_outside() -> None:
    async with ScriptedProvider() as provider:
        changed = await exchange(provider.control_url, path="/control", fault="http_503", times=1)
        assert changed.status == 400  # the raw client's own fields are no script's
        await control(provider, {"fault": "http_503", "times": 1})
        assert (await exchange(provider.base_url)).status == 503
        state = await control(provider, {"scripts": [{"fault": "html"}, {"answer": "x"}]})
    assert state["fired"] == {"http_503": 1}
    assert [script["fault"] for script in state["scripts"]] == ["html", None]
    assert state["requests"][0]["fault"] == "http_503"


async def control(provider: ScriptedProvider, body: dict) -> dict:
    host, _, port = provider.control_url.split("/")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps(body).encode()
    writer.write(b"POST /control HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s" % (len(data), data))
    head = await reader.readuntil(b"\r\n\r\n")
    size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    answer = json.loads(await reader.readexactly(size))
    writer.close()
    await writer.wait_closed()
    return answer
