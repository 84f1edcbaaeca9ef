"""The connection beneath a request: what ASGI does not show of it."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from starlette.types import Message, Scope, Send

from yaoki.errors import CommunicationSlowConsumerError

WIRE = "yaoki.wire"
"""The ASGI extension that holds a `Wire`; our own server always gives it."""


class Wire:
    """A connection, as far as whoever sends to it needs to know it."""

    __slots__ = ("_lost", "_transport", "_when_lost")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._lost = False
        self._when_lost: Callable[[], None] | None = None

    def when_lost(self, callback: Callable[[], None] | None) -> None:
        """Call `callback` once the connection is lost, now if it is already; None: nobody wants to know any more."""
        self._when_lost = callback
        if self._lost and callback is not None:
            callback()

    def lost(self) -> None:
        """The connection is lost; the server says so."""
        self._lost = True
        if self._when_lost is not None:
            self._when_lost()

    def unsent(self) -> int:
        """Bytes that wait for the client to take them."""
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Break the connection at once, dropping what was not sent."""
        self._transport.abort()

    def close(self) -> None:
        """Close the connection once everything is sent. An answer without its end is a broken one for its reader."""
        self._transport.close()


def wire_of(scope: Scope) -> Wire:
    """The connection that a request came by."""
    return cast("Wire", scope["extensions"][WIRE])


async def send_patiently(send: Send, message: Message | dict[str, Any], wire: Wire, timeout_s: float) -> None:
    """Send, and wait for a slow reader as long as it takes something.

    A send that was cancelled while it waited has sent nothing, so it is simply made again.

    Raises:
        CommunicationSlowConsumerError: The reader took nothing at all for `timeout_s` seconds.
    """
    while True:
        unsent = wire.unsent()
        try:
            async with asyncio.timeout(timeout_s):
                await send(message)
        except TimeoutError:
            if wire.unsent() >= unsent:
                raise CommunicationSlowConsumerError("The client does not read its stream.") from None
        else:
            return
