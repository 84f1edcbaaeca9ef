"""The user's upstream behind the chaos proxy: asked once, remembered if whole, and never believed blindly."""

import asyncio
import json

import pytest

from yaoki.cli.chaos.upstream import RecordedUpstream
from yaoki.errors import ConfigurationSettingError
from yaoki.faults import ANSWER, Script, ScriptedProvider
from yaoki.faults.raw_http import Request

KEY = "Bearer sk-canary"


def asking(question: str = "How many ships?", *, stream: bool = True, path: str = "/chat/completions") -> Request:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": question}], "stream": stream})
    headers = {"host": "127.0.0.1:1", "authorization": KEY, "content-length": "7", "accept-encoding": "br"}
    return Request(method="POST", path=path, headers=headers, body=body.encode())


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_is_asked_once_even_by_two_at_a_time(stream: bool) -> None:
    async with ScriptedProvider(Script()) as provider, RecordedUpstream(provider.base_url) as upstream:
        first, second = await asyncio.gather(*(upstream.ask(asking(stream=stream)) for _ in range(2)))
        other = await upstream.ask(asking("And by day?", stream=stream))
    assert first is second is not other
    assert (first.text, first.finish, first.trouble) == (ANSWER, "stop", "")
    assert len(provider.requests) == 2


async def test_the_key_goes_upstream_and_what_is_the_connections_own_does_not() -> None:
    async with ScriptedProvider(Script()) as provider, RecordedUpstream(provider.base_url) as upstream:
        await upstream.ask(asking())
    headers = provider.requests[0].headers
    assert headers["authorization"] == KEY
    assert headers["host"] == provider.base_url.split("/")[2]
    assert headers.get("accept-encoding") != "br"


@pytest.mark.parametrize(
    "fault, trouble",
    [
        ("http_500", "status 500"),
        ("cut_mid_stream", "no finish reason"),
        ("html", "no finish reason"),
        ("redirect_to_page", "status 302"),
        ("reset_mid_stream", "broken off"),
        ("closes_at_once", "not reachable"),
        ("endless_event", "more than"),
    ],
)
async def test_an_answer_that_is_not_whole_is_told_and_asked_again(fault: str, trouble: str) -> None:
    scripts = (Script(fault=fault, times=1), Script())
    async with ScriptedProvider(*scripts) as provider, RecordedUpstream(provider.base_url) as upstream:
        assert trouble in (await upstream.ask(asking())).trouble
        assert (await upstream.ask(asking())).trouble == ""


async def test_an_upstream_that_is_not_there_is_a_recording_that_says_so() -> None:
    async with RecordedUpstream("http://127.0.0.1:9/v1") as upstream:
        recording = await upstream.ask(asking())
    assert recording.status == 502
    assert "not reachable" in recording.trouble
    assert "not reachable" in json.loads(recording.body)["error"]["message"]


@pytest.mark.parametrize("address", ["api.openai.com/v1", "ftp://x/v1", "", "https://"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationSettingError, match="--upstream"):
        RecordedUpstream(address)
