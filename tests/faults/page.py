"""A page on the event stream: what a careful client shows, folded from frames, over as many connections as it takes."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx2

from yaoki.resilience.clock import SYSTEM_CLOCK

Body = dict[str, Any]
WAIT_S = 25.0
_AGAIN_S = 0.05
ENDS = ("RUN_FINISHED", "RUN_ERROR")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came; preludes and heartbeats have no id."""

    id: str | None
    body: Body
    at: float

    @property
    def type(self) -> str:
        return self.body["type"]

    @property
    def mark(self) -> str:
        """The name of a frame of Yaoki's own, without its prefix; empty for others."""
        return self.body["name"].removeprefix("yaoki.") if self.type == "CUSTOM" else ""


@dataclass(slots=True)
class Page:
    """Follows one session.

    Attributes:
        frames: Every frame of every connection, in order.
        texts: The answers by message id, as they stand on the page.
        last_id: The newest event id: where a new connection goes on.
        ended: The stream was ended by the server.
        turn: The turn that the assertions speak of.
    """

    url: str
    session: str
    frames: list[Frame] = field(default_factory=list[Frame])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    open_message: str | None = None
    last_id: str | None = None
    ended: bool = False
    turn: str = ""
    _happened: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: asyncio.Task[None] | None = None

    async def connect(self, *, last_id: str | None = None, max_bytes: int | None = None) -> None:
        """Follow from `last_id`, by default from where this page is; returns once the server has answered.

        Args:
            max_bytes: Drop the connection after so many bytes of the body, wherever that is.
        """
        self.ended = False
        answered = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(last_id or self.last_id, max_bytes, answered))
        async with asyncio.timeout(WAIT_S):
            await answered

    async def reachable(self, *, max_bytes: int | None = None) -> bool:
        """Try to connect; False if nobody listens now."""
        try:
            await self.connect(max_bytes=max_bytes)
        except httpx2.TransportError:
            await asyncio.sleep(_AGAIN_S)
            return False
        return True

    async def cut(self) -> None:
        """Drop the connection."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
            self._reading = None

    async def until(self, true: Callable[["Page"], bool], within_s: float = WAIT_S) -> None:
        """Wait until something holds of this page, looked at with every frame."""
        async with asyncio.timeout(within_s):
            while not true(self):
                self._happened.clear()
                await self._happened.wait()

    async def until_ended(self, within_s: float = WAIT_S) -> Frame:
        """Wait for the end of the turn."""
        await self.until(lambda page: bool(page.terminals), within_s)
        return self.terminals[0]

    async def until_text(self, chars: int) -> None:
        """Wait until so many characters of the answer are there."""
        await self.until(lambda page: len(page.text) >= chars)

    @property
    def text(self) -> str:
        """The newest answer as it stands on the page."""
        return list(self.texts.values())[-1] if self.texts else ""

    @property
    def terminals(self) -> list[Frame]:
        """The ends of the turn, each once, however often it was replayed."""
        ends = {f.id: f for f in self.frames if f.type in ENDS and self.turn in (f.body.get("runId", self.turn), "")}
        return list(ends.values())

    def marks(self, name: str) -> list[Body]:
        """The values of Yaoki's own frames of this name, each once."""
        found = {frame.id: frame.body["value"] for frame in self.frames if frame.mark == name}
        return list(found.values())

    def assert_ended(self, outcome: str) -> Body:
        """Exactly one terminal event, with this outcome; returns it."""
        assert len(self.terminals) == 1, self.terminals
        body = self.terminals[0].body
        if outcome in ("failed", "parked"):
            assert body["type"] == "RUN_ERROR", body
        else:
            assert (body["type"], body["result"]["outcome"]) == ("RUN_FINISHED", outcome), body
        return body

    def assert_whole(self, text: str) -> None:
        """The page shows exactly this answer, completed."""
        self.assert_ended("completed")
        assert self.text == text, f"the page shows {self.text!r}"
        assert self.open_message is None
        ids = [frame.id for frame in self.frames if frame.id]
        assert len(ids) == len(set(ids)), "a frame came twice"

    # --------------------------------------------------------------------------------------------------------- reading

    async def _read(self, last_id: str | None, max_bytes: int | None, answered: asyncio.Future[None]) -> None:
        headers = {"accept": "text/event-stream", **({"last-event-id": last_id} if last_id else {})}
        try:
            async with (
                httpx2.AsyncClient(trust_env=False, timeout=None) as http,
                http.stream("GET", f"{self.url}/ai/sessions/{self.session}/events", headers=headers) as response,
            ):
                assert response.status_code == 200, (await response.aread(), response.status_code)
                answered.set_result(None)
                async with aclosing(events(response, max_bytes)) as frames:
                    async for frame in frames:
                        self._take(frame)
        except httpx2.TransportError as error:
            if not answered.done():
                answered.set_exception(error)
        except AssertionError as error:
            answered.set_exception(error)
        finally:
            self.ended = True
            self._happened.set()

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.last_id = frame.id or self.last_id
        body = frame.body
        match frame.type:
            case "MESSAGES_SNAPSHOT":
                answers = [message for message in body["messages"] if message["role"] == "assistant"]
                self.texts = {message["id"]: message["content"] for message in answers}
            case "TEXT_MESSAGE_START":
                self.open_message = body["messageId"]
                self.texts.setdefault(body["messageId"], "")
            case "TEXT_MESSAGE_CONTENT":
                assert body["messageId"] == self.open_message, "text outside of its message"
                self.texts[body["messageId"]] += body["delta"]
            case "TEXT_MESSAGE_END":
                self.open_message = None
            case _:
                pass
        self._happened.set()


async def events(response: httpx2.Response, max_bytes: int | None = None) -> AsyncGenerator[Frame]:
    """The whole frames among the first `max_bytes` of a response, by the grammar of server-sent events."""
    buffer, taken = b"", 0
    async with aclosing(response.aiter_bytes()) as pieces:
        async for data in pieces:
            keep = data if max_bytes is None else data[: max_bytes - taken]
            taken += len(data)
            *blocks, buffer = (buffer + keep).split(b"\n\n")
            for frame in filter(None, map(_frame, blocks)):
                yield frame
            if max_bytes is not None and taken >= max_bytes:
                return


def _frame(block: bytes) -> Frame | None:
    fields = [line.partition(": ")[::2] for line in block.decode().split("\n")]
    body = "\n".join(value for name, value in fields if name == "data")
    return Frame(dict(fields).get("id"), json.loads(body), SYSTEM_CLOCK.monotonic()) if body else None
