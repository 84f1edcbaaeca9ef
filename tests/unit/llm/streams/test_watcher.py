"""The watcher: what reaches the SDK, when, and how the connection is let go. The provider is a body in memory."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import httpx2
import pytest

from yaoki.errors import ModelMalformedError, ModelTruncatedError
from yaoki.llm.streams.watcher import ERROR_BYTES, WatchedTransport

Line = bytes | float


def event(delta: dict[str, object], finish: str | None = None) -> bytes:
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta, 'finish_reason': finish}]})}\n\n".encode()


def word(text: str) -> bytes:
    return event({"content": text})


STOP = event({}, "stop")


class Provider(httpx2.AsyncBaseTransport, httpx2.AsyncByteStream):
    """Answers every request with the same body; a number is a pause in seconds."""

    def __init__(self, *lines: Line, encoding: str = "identity", status: int = 200) -> None:
        self._lines = lines
        self._headers = {"content-type": "text/plain", "content-encoding": encoding}
        self._status = status
        self.asked: list[httpx2.Request] = []
        self.closed = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return httpx2.Response(self._status, headers=self._headers, stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for line in self._lines:
            if isinstance(line, float):
                await asyncio.sleep(line)
            else:
                yield line

    async def aclose(self) -> None:
        self.closed += 1


@asynccontextmanager
async def answer(provider: Provider) -> AsyncIterator[httpx2.Response]:
    async with (
        httpx2.AsyncClient(transport=WatchedTransport(provider)) as client,
        client.stream("POST", "http://x/v1/chat/completions") as response,
    ):
        yield response


async def chunks(provider: Provider) -> list[str]:
    """The text of each chunk that the SDK would see, read to the end."""
    found: list[str] = []
    async with answer(provider) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                choices = json.loads(line.removeprefix("data: "))["choices"]
                found += [choice["delta"].get("content") or choice["finish_reason"] for choice in choices]
    return found


async def test_a_burst_is_one_chunk_and_the_first_word_comes_at_once() -> None:
    provider = Provider(word("One "), 0.01, word("two "), word("three "), 0.1, word("four"), STOP)
    assert await chunks(provider) == ["One ", "two three ", "four", "stop"]


async def test_the_first_word_does_not_wait_for_more() -> None:
    async with answer(Provider(word("One"), 30.0)) as response, aclosing(response.aiter_raw()) as pieces:
        first = asyncio.ensure_future(anext(pieces))
        for _ in range(10):  # turns of the loop: no timer's time
            await asyncio.sleep(0)
        assert b"One" in first.result()


async def test_what_carries_more_than_text_is_not_merged() -> None:
    call = event({"tool_calls": [{"index": 0, "function": {"name": "look"}}]})
    reasoning = event({"reasoning_content": "Hm"})
    body = word("a") + word("b") + call + word("c") + reasoning + reasoning + word("d") + STOP
    assert await chunks(Provider(body)) == ["ab", None, "c", None, None, "d", "stop"]


async def test_thinking_tags_stay_alone() -> None:
    body = b"".join(map(word, ["a", "<think>", "b", "c", "</think>", "d", "e"])) + STOP
    assert await chunks(Provider(body)) == ["a", "<think>", "bc", "</think>", "de", "stop"]


@pytest.mark.requirement("M28")
@pytest.mark.parametrize("encoding,pack", [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_what_is_packed_all_the_same_is_watched(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(word("Hi") + STOP)
    assert await chunks(Provider(packed[:20], packed[20:], encoding=encoding)) == ["Hi", "stop"]
    with pytest.raises(ModelTruncatedError):
        await chunks(Provider(pack(word("Hi")), encoding=encoding))


@pytest.mark.requirement("M14")
async def test_a_body_that_is_packed_too_tightly_is_refused() -> None:
    with pytest.raises(ModelMalformedError):
        await chunks(Provider(gzip.compress(b" " * 5_000_000), encoding="gzip"))


@pytest.mark.requirement("M28")
async def test_a_connection_left_open_after_the_end_does_not_hold_the_answer() -> None:
    async with asyncio.timeout(10):
        assert await chunks(Provider(word("Hi"), STOP, b"data: [DONE]\n\n", 30.0)) == ["Hi", "stop"]


async def test_usage_is_waited_for_a_little() -> None:
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 1}}\n\n'
    provider = Provider(word("Hi"), STOP, 0.05, usage, 30.0)
    async with httpx2.AsyncClient(transport=WatchedTransport(provider)) as client:
        response = await client.post("http://x/")
    assert "prompt_tokens" in response.text


@pytest.mark.requirement("P-2")
async def test_a_body_that_ends_too_early_raises_ours() -> None:
    with pytest.raises(ModelTruncatedError):
        await chunks(Provider(word("Half")))


async def test_other_answers_than_200_pass_as_they_are() -> None:
    provider = Provider(b'{"error": {}}', status=500)
    async with httpx2.AsyncClient(transport=WatchedTransport(provider)) as client:
        response = await client.post("http://x/")
    assert (response.status_code, response.json()) == (500, {"error": {}})
    assert provider.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.requirement("M4", "M17")
@pytest.mark.parametrize("more", [[b"a" * 10_000] * 100, [30.0]])
async def test_of_a_refusal_no_more_is_read_than_says_why(more: list[Line]) -> None:
    provider = Provider(b'{"error": "busy"}', *more, status=503)
    async with asyncio.timeout(10.0), answer(provider) as response:
        body = await response.aread()
    assert body.startswith(b'{"error": "busy"}')
    assert len(body) <= ERROR_BYTES
    assert provider.closed


async def test_leaving_early_stops_the_reading_and_closes() -> None:
    provider = Provider(word("Hi"), 30.0)
    before = asyncio.all_tasks()
    async with answer(provider) as response, aclosing(response.aiter_raw()) as pieces:
        await anext(pieces)
    assert provider.closed
    assert asyncio.all_tasks() == before


class Torrent(Provider):
    """Sends without end, as fast as it is read."""

    sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.sent += 1
            yield event({"reasoning_content": "Hm. "})
            await asyncio.sleep(0)


@pytest.mark.requirement("M17")
async def test_what_comes_without_end_waits_for_whoever_reads() -> None:
    torrent = Torrent()
    async with answer(torrent) as response, aclosing(response.aiter_bytes()) as pieces:
        await anext(pieces)
        for _ in range(2_000):
            await asyncio.sleep(0)
        assert torrent.sent < 1_000
        await anext(pieces)
