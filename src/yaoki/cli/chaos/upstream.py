"""The user's own upstream behind the chaos proxy: asked once for each request, then remembered."""

import asyncio
import hashlib
import json
from collections import defaultdict
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx2

from yaoki.errors import ConfigurationSettingError
from yaoki.faults.raw_http import Request
from yaoki.faults.recording import Recording

_CONNECT_S = 10.0
_ANSWER_S = 300.0
"""For a whole answer; the slowest reasoning models take minutes."""
_LONGEST = 8 * 1024 * 1024
_MOST = 500
_OWN_HEADERS = {"host", "connection", "content-length", "accept-encoding", "keep-alive", "te", "upgrade"}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class RecordedUpstream:
    """Asks over HTTP. Use as an asynchronous context manager.

    The same method, path and body get the same recording, at once; only whole answers are remembered, 500 of them. What
    the client sends as its key goes to this upstream with its request, and is kept nowhere.

    Args:
        base_url: For example `https://api.openai.com/v1`.

    Raises:
        ConfigurationSettingError: That is no http(s) address.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationSettingError(f"--upstream must be an http(s) address, not {base_url!r}.")
        self._base_url = base_url.rstrip("/")
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(_ANSWER_S, connect=_CONNECT_S),
            trust_env=parts.hostname not in _LOOPBACK,  # a proxy of the surroundings is for what is far away
            follow_redirects=False,  # the key is for this host
        )
        self._known: dict[str, Recording] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def ask(self, request: Request) -> Recording:
        """The answer, recorded or remembered. Never raises for what the upstream does."""
        what = f"{request.method} {request.path}?{request.query}\n".encode() + request.body
        key = hashlib.sha256(what).hexdigest()
        async with self._locks[key]:
            if key not in self._known:
                recording = await self._record(request)
                if recording.trouble or len(self._known) >= _MOST:
                    return recording
                self._known[key] = recording
            return self._known[key]

    async def _record(self, request: Request) -> Recording:
        status, content_type, body = 502, "application/json", bytearray()
        url = f"{self._base_url}{request.path}{f'?{request.query}' if request.query else ''}"
        headers = {name: value for name, value in request.headers.items() if name not in _OWN_HEADERS}
        try:
            async with (
                asyncio.timeout(_ANSWER_S),
                self._http.stream(request.method, url, headers=headers, content=request.body) as response,
            ):
                status = response.status_code
                content_type = response.headers.get("content-type", content_type)
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > _LONGEST:
                        return Recording(status, content_type, bytes(body), broken=f"more than {_LONGEST} bytes")
        except (httpx2.HTTPError, TimeoutError) as error:
            broken = f"{'broken off' if body else 'not reachable'} ({type(error).__name__})"
            told = json.dumps({"error": {"message": f"yaoki chaos: the upstream is {broken}."}}).encode()
            return Recording(status, content_type, bytes(body) or told, broken=broken)
        return Recording(status, content_type, bytes(body))
