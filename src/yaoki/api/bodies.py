"""Reading bodies, as plain ASGI before the routes: within their size, their time and the memory for all of them."""

import asyncio
import contextlib
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yaoki.api.headers import first_headers
from yaoki.api.policy import ApiPolicy
from yaoki.api.problems import problem_response
from yaoki.errors import (
    AIOrchestrationError,
    CommunicationConnectionLostError,
    ResourceOverloadedError,
    SecurityInputRejectedError,
)

_LINGER_S = 1.0


class BodyGuard:
    """Reads the body before the route runs: within its size, within its time, and only JSON.

    Args:
        largest: Bytes of the largest body; None: the policy's `body_bytes`. What is larger than those takes its room
            from `large_bytes` for as long as its request lasts, and as much time again for each `body_bytes` of it.
    """

    def __init__(self, app: ASGIApp, policy: ApiPolicy, *, largest: int | None = None) -> None:
        self._app = app
        self._policy = policy
        self._largest = largest or policy.body_bytes
        self._room = policy.large_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = first_headers(scope) if scope["type"] == "http" else {}
        if not (b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(headers, receive)
        except AIOrchestrationError as refusal:
            response = problem_response(refusal, scope)
            response.headers["connection"] = "close"
            await response(scope, receive, lingering(receive, send))
            return
        claimed = self._excess(len(body))
        try:
            await self._app(scope, _replay(body, receive), send)
        finally:
            self._room += claimed

    async def _read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The whole body; room for what is large of it is taken.

        Raises:
            SecurityInputRejectedError: Too large, too slow, or not JSON.
            ResourceOverloadedError: There is no room for one as large as this.
            CommunicationConnectionLostError: The client has gone.
        """
        media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media_type != b"application/json" and not media_type.endswith(b"+json"):
            raise SecurityInputRejectedError(
                "The body is not declared as JSON.",
                status=415,
                field="Content-Type",
                remedy="Send JSON with the header Content-Type: application/json.",
            )
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._largest:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._policy.request_timeout_s) as waiting:
                return await self._receive(receive, waiting)
        except TimeoutError:
            raise SecurityInputRejectedError(
                f"The body did not arrive within {self._policy.request_timeout_s:g} s.",
                status=408,
                remedy="Send the request again, without pauses.",
            ) from None

    async def _receive(self, receive: Receive, waiting: asyncio.Timeout) -> bytes:
        body = bytearray()
        stretch = 0
        more = True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise CommunicationConnectionLostError("The client left while it was sending.")
                self._claim(len(body), len(message.get("body", b"")))
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) // self._policy.body_bytes > stretch:
                    stretch = len(body) // self._policy.body_bytes
                    waiting.reschedule((waiting.when() or 0.0) + self._policy.request_timeout_s)
            return bytes(body)
        finally:
            if more:
                self._room += self._excess(len(body))

    def _claim(self, had: int, more: int) -> None:
        """Take room for the next piece of a body."""
        if had + more > self._largest:
            raise self._too_large()
        needed = self._excess(had + more) - self._excess(had)
        if needed > self._room:
            raise ResourceOverloadedError(
                "This server holds as many large requests as it may.",
                retry_after_s=self._policy.retry_after_s,
                setting="limits.v1_large_bytes",
            )
        self._room -= needed

    def _excess(self, size: int) -> int:
        """How much of a body counts as large: all of it or nothing."""
        return size if size > self._policy.body_bytes else 0

    def _too_large(self) -> AIOrchestrationError:
        return SecurityInputRejectedError(
            f"The body is larger than {self._largest} bytes.",
            status=413,
            limit=self._largest,
            remedy="Send less at once.",
        )


def lingering(receive: Receive, send: Send) -> Send:
    """A `send` that ends its answer only when the client has stopped sending, or has had time to.

    Closing at once would reset the connection under a client that is not done, and the reset would eat the answer.
    """

    async def send_then_listen(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            await send({**message, "more_body": True})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_S):
                    while (await receive()).get("more_body"):
                        pass  # thrown away
            message = {"type": "http.response.body", "body": b""}
        await send(message)

    return send_then_listen


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body again, then what follows it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
