"""A link: a session's events and a client's frames over one WebSocket.

Two tasks serve it and never wait for each other: one sends the feed, the other takes the client's frames, one at a
time. A frame that cannot be served is answered by an error; only what is no frame at all ends the link.

| close code | why |
|---|---|
| 1001 | the session was deleted |
| 1003 | a binary frame |
| 1008 | not let in, or not JSON |
| 1009 | a frame over the limit (`websocket_protocol`) |
| 1011 | something is wrong on our side, and coming back does not help |
| 1012 | the server restarts |
| 1013 | come back later: too many clients, a reader that does not read, the store is away |
"""

import asyncio
from contextlib import aclosing
from typing import cast

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from yaoki.api.feed import Feed
from yaoki.api.intake import accept
from yaoki.api.links import frames as link_frames
from yaoki.api.links.frames import CancelFrame, MessageFrame
from yaoki.api.problems import problem_document
from yaoki.api.services import Services
from yaoki.api.shapes import NewMessage
from yaoki.api.websocket_protocol import LinkWire
from yaoki.api.wire import send_patiently, wire_of
from yaoki.errors import AIOrchestrationError, CommunicationProtocolError, CommunicationSlowConsumerError

POLICY, UNSUPPORTED, INTERNAL, LATER = 1008, 1003, 1011, 1013


class Link:
    """One client's link, accepted.

    Args:
        owner: Whose session it is.
    """

    def __init__(self, services: Services, owner: str, session_id: str, websocket: WebSocket) -> None:
        self._services = services
        self._owner = owner
        self._session_id = session_id
        self._websocket = websocket
        self._wire = cast("LinkWire", wire_of(websocket.scope))
        self._closed = False

    async def serve(self, feed: Feed) -> None:
        """Serve it to its end."""
        telling = asyncio.create_task(self._tell(feed))
        telling.add_done_callback(self._told)
        try:
            await self._listen()
        except CommunicationSlowConsumerError as error:
            self._dismiss(error)
        except WebSocketDisconnect:
            pass  # while it was answered
        finally:
            telling.cancel()
            await asyncio.wait({telling})

    # ---------------------------------------------------------------------------------------------------------- telling

    async def _tell(self, feed: Feed) -> None:
        """Send the feed, and close when it has ended."""
        try:
            async with aclosing(feed.batches()) as batches:
                async for batch in batches:
                    for event_id, body in batch:
                        await self._send(link_frames.event(body, event_id))
            if feed.farewell is not None:
                await self._send(link_frames.event(feed.farewell.body, None))
                await self._close(feed.farewell.code)
        except CommunicationSlowConsumerError as error:
            self._dismiss(error)
        except WebSocketDisconnect:
            pass  # the other task sees it, too

    def _told(self, telling: asyncio.Task[None]) -> None:
        """The client must not wait for what nobody tells any more."""
        if not telling.cancelled() and telling.exception() is not None:
            self._wire.abort()

    # -------------------------------------------------------------------------------------------------------- listening

    async def _listen(self) -> None:
        while (message := await self._websocket.receive())["type"] == "websocket.receive":
            if message.get("text") is None:
                await self._close(UNSUPPORTED, "Frames are text.")
            elif not await self._answer(message):
                await self._close(POLICY, "Frames are JSON objects.")

    async def _answer(self, message: Message) -> bool:
        """Do what a frame says; whether it was a frame at all."""
        frame_id: object = None
        try:
            raw = link_frames.decode(message["text"])
            frame_id = raw.get("id")
            answer = await self._do(link_frames.read(raw))
        except AIOrchestrationError as error:
            await self._send(link_frames.error(problem_document(error, self._websocket.scope), frame_id))
            return not isinstance(error, CommunicationProtocolError)
        await self._send(answer)
        return True

    async def _do(self, frame: link_frames.ClientFrame) -> str:
        orchestrator = self._services.orchestrator
        match frame:
            case MessageFrame():
                message = NewMessage(id=frame.id, content=frame.content)
                accepted = await accept(self._services, self._owner, self._session_id, message)
                return link_frames.accepted(orchestrator.log_id, frame.id, accepted)
            case CancelFrame():
                ids = await orchestrator.cancel(self._owner, self._session_id, turn_id=frame.turn_id)
                return link_frames.cancelled(ids)
            case _:
                return link_frames.pong()

    # ---------------------------------------------------------------------------------------------------------- sending

    async def _send(self, text: str) -> None:
        if self._closed:  # by the other task
            raise WebSocketDisconnect
        timeout_s = self._services.policy.send_timeout_s
        await send_patiently(self._websocket.send, {"type": "websocket.send", "text": text}, self._wire, timeout_s)

    async def _close(self, code: int, reason: str = "") -> None:
        if not self._closed:
            self._closed = True
            await self._websocket.close(code, reason)

    def _dismiss(self, error: CommunicationSlowConsumerError) -> None:
        """Send a reader away that does not read; if it does again in time, it sees why."""
        self._closed = True
        error.retry_after_s = self._services.policy.retry_after_s
        self._wire.dismiss(link_frames.come_back(error), LATER)
