"""Our transports under SDKs that still want httpx, the library before httpx2: Groq's and Cohere's."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import httpx2


class LegacyTransport(httpx.AsyncBaseTransport):
    """Sends what an httpx client asks through a transport of httpx2. Redirects and their like are the client's.

    Args:
        inner: What really talks.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send.

        Raises:
            httpx2.TransportError: The connection fails; `classify` knows either library's name for it.
        """
        content = await request.aread()
        asked = httpx2.Request(request.method, str(request.url), headers=request.headers.raw, content=content)
        answer = await self._inner.handle_async_request(asked)
        return httpx.Response(answer.status_code, headers=answer.headers.raw, stream=_Body(answer))

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpx2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with aclosing(self._answer.aiter_raw()) as pieces:
            async for raw in pieces:
                yield raw

    async def aclose(self) -> None:
        """Let the connection go."""
        await self._answer.aclose()
