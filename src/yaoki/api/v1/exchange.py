"""One answer on its way to a client of the base URL.

Text that was sent cannot be taken back. So where the rest of an answer cannot be had, or would not join on, the client
gets an error inside the stream, no finish reason, and a connection that breaks: whatever it looks at, it is told.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from random import Random

from starlette.types import Scope, Send

from yaoki.api.bundle import Bundle
from yaoki.api.openai_errors import error_document
from yaoki.api.problems import problem_document
from yaoki.api.pulse import Pulse
from yaoki.api.services import Services
from yaoki.api.v1.earlier import EarlierAnswers
from yaoki.api.v1.frames import KEEP_ALIVE, Chunks, document, event
from yaoki.api.v1.refusals import callers_refusal
from yaoki.api.v1.request import Asked
from yaoki.api.v1.told import Told
from yaoki.api.wire import send_patiently, wire_of
from yaoki.errors import (
    AIOrchestrationError,
    CommunicationSlowConsumerError,
    ModelAllFailedError,
    ModelTruncatedError,
    ResourceOverloadedError,
)
from yaoki.llm.deltas import Item, Reasoning, Restart, Text

_ROOMY_BYTES = 16_384
"""Fewer unsent bytes than this never make a send wait."""
_BUNDLE_S = 0.025
"""Seconds that a piece of a stream may wait for the next ones; the first goes out at once, and so does the end.

A little less than `GULP_S`, so that what the wire has read in one go need not wait for a timer again."""
_SILENT_BEATS = 3
"""The beat with which a stream opens that has nothing to tell yet: before it, a failure can still have its status."""
_SSE = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]


class Exchange:
    """Serves one request; `serve` may be awaited once.

    Args:
        items: What the chain says; closed with the exchange, which ends whatever request is under way.
        told: Takes down what the chain says.
        earlier: Answers that may stand in when no model can give one.
    """

    def __init__(
        self,
        services: Services,
        asked: Asked,
        items: AsyncGenerator[Item, None],
        told: Told,
        earlier: EarlierAnswers,
        *,
        rng: Random,
    ) -> None:
        self._services = services
        self._asked = asked
        self._items = items
        self._told = told
        self._earlier = earlier
        self._id = f"chatcmpl-{rng.getrandbits(96):024x}"
        self._created = int(services.clock.utcnow().timestamp())
        self._begun = False
        self._answering = True
        self._left = asyncio.Event()
        self._silent = 0
        self._unsent = b""

    async def serve(self, scope: Scope, send: Send) -> None:
        """Send the answer; return early, with the upstream's request ended, when the client leaves.

        Raises:
            AIOrchestrationError: There is no answer, and nothing was sent yet.
        """
        self._scope, self._send, self._wire = scope, send, wire_of(scope)
        try:
            async with aclosing(self._items):
                await self._unless_client_leaves()
            self._earlier.keep(self._told)
        except CommunicationSlowConsumerError:
            self._wire.abort()
            await self._left.wait()
        except AIOrchestrationError as error:
            if not self._begun:
                raise
            await self._break_off(error)
            await self._left.wait()
        finally:
            self._wire.when_lost(None)

    async def _unless_client_leaves(self) -> None:
        """Send everything, unless the client leaves or the server stops first."""
        try:
            async with asyncio.timeout(None) as waiting:

                def left() -> None:
                    self._left.set()
                    if self._answering:
                        waiting.reschedule(0.0)

                self._wire.when_lost(left)
                with self._services.closing.interruptible(waiting):
                    await (self._stream() if self._asked.streamed else self._whole())
                self._answering = False
        except TimeoutError:
            if not self._left.is_set():
                retry_after_s = self._services.policy.retry_after_s
                raise ResourceOverloadedError("The server stops.", retry_after_s=retry_after_s) from None
        finally:
            self._answering = False

    async def _whole(self) -> None:
        try:
            async for item in self._items:
                self._told.take(item)
        except ModelAllFailedError as failed:
            self._use_earlier(failed)
        body = document(self._asked, self._id, self._created, self._told)
        size = (b"content-length", b"%d" % len(body))
        await self._begin([(b"content-type", b"application/json"), size, *self._told.headers()])
        await self._put(body, last=True)

    async def _stream(self) -> None:
        chunks = Chunks(self._asked, self._id, self._created)
        async with (
            Pulse(self._services.policy.heartbeat_s, self._keep_alive) as pulse,
            Bundle(self._write_or_abort, _BUNDLE_S) as bundle,
        ):
            try:
                await self._send_items(chunks, pulse, bundle)
            except ModelAllFailedError as failed:
                if self._told.text:
                    raise
                await bundle.put(chunks.text(self._use_earlier(failed)))
            finally:
                self._unsent = await bundle.rest()
        await self._write(self._unsent + chunks.ending(self._told), last=True)

    async def _send_items(self, chunks: Chunks, pulse: Pulse, bundle: Bundle) -> None:
        async for item in self._items:
            self._told.take(item)
            match item:
                case Text():
                    pulse.alive()
                    await bundle.put(chunks.text(item.text))
                case Reasoning():
                    pulse.alive()
                    await bundle.put(chunks.beside(item))
                case Restart():
                    raise ModelTruncatedError(
                        f"The answer broke off ({item.reason}), and what you have of it cannot be taken back.",
                        fault="seam",
                    )
                case _:
                    pass

    def _use_earlier(self, failed: ModelAllFailedError) -> str:
        """The words that were said to the same request before; raises `failed` if there are none."""
        earlier = self._earlier.find(failed)
        if earlier is None:
            raise failed
        self._told.take_cached(earlier)
        return earlier.text

    async def _keep_alive(self) -> None:
        self._silent += 1
        if self._begun or self._silent >= _SILENT_BEATS:
            await self._write_or_abort(KEEP_ALIVE)

    async def _write_or_abort(self, data: bytes) -> None:
        """Write; a client that does not read is cut off, and then seen to have left."""
        try:
            await self._write(data)
        except CommunicationSlowConsumerError:
            self._wire.abort()

    async def _break_off(self, error: AIOrchestrationError) -> None:
        if isinstance(error, ModelAllFailedError):
            error = callers_refusal(error) or error
        told = event(error_document(problem_document(error, self._scope)))
        await self._write(self._unsent + told)
        self._wire.close()

    async def _write(self, data: bytes, *, last: bool = False) -> None:
        if not self._begun:
            await self._begin([*_SSE, *self._told.headers()])
        await self._put(data, last=last)

    async def _begin(self, headers: list[tuple[bytes, bytes]]) -> None:
        self._begun = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _put(self, data: bytes, *, last: bool) -> None:
        message = {"type": "http.response.body", "body": data, "more_body": not last}
        if self._wire.unsent() < _ROOMY_BYTES:
            await self._send(message)
        else:
            await send_patiently(self._send, message, self._wire, self._services.policy.send_timeout_s)
