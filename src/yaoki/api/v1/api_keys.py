"""Generated keys at the base URL: whose a request is, from memory alone.

A secret is hashed and its digest looked up, so how long that takes says nothing about any other key. A task reads the
keys again within `LOOK_EVERY_S` after one was made or revoked, by whoever, and writes down what was spent; no request
waits for the store.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from yaoki.api.bodies import lingering
from yaoki.api.problems import problem_response
from yaoki.api.v1.callers import Caller
from yaoki.api.v1.ledger import WRITE_EVERY_S, Ledger
from yaoki.errors import SecurityUnauthenticatedError, SessionStoreUnavailableError
from yaoki.resilience.clock import SYSTEM_CLOCK, Clock
from yaoki.store.api_key_table import PREFIX, ApiKeyTable, digest_of

LOOK_EVERY_S = WRITE_EVERY_S
"""Seconds until a key that was made or revoked beside a running server is known to it."""
_REMEDY = "Send a key as Authorization: Bearer yk_…; whoever runs this server makes one with: yaoki keys create NAME"

_CALLER = "yaoki.caller"

_log = logging.getLogger(__name__)


class ApiKeys:
    """The keys that are valid now, and what their holders spend.

    Args:
        table: Where they are kept.
        required: Whether a request needs one. Without it whoever comes without a key is let in; a key that is shown
            has to be valid all the same.

    Attributes:
        ledger: What was spent.
    """

    def __init__(self, table: ApiKeyTable, *, required: bool = False, clock: Clock = SYSTEM_CLOCK) -> None:
        self.ledger = Ledger(table)
        self._table = table
        self._clock = clock
        self._by_digest: dict[str, Caller] = {}
        self._by_name: dict[str, Caller] = {}
        self._version = ""
        self._stranger = None if required else Caller(None, self.ledger, clock)

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[None]:
        """Know the keys, and go on knowing them; write down the last of what was spent at the end.

        Raises:
            SessionStoreUnavailableError: The keys cannot be read.
        """
        await self.look()
        keeping = asyncio.create_task(self._keep(), name="api-keys")
        keeping.add_done_callback(_say_if_broken)
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
            await self.ledger.write()

    def caller(self, scope: Scope) -> Caller:
        """Whose request this is.

        Raises:
            SecurityUnauthenticatedError: Its key is missing, unknown or revoked.
        """
        secret = _bearer(scope)
        if secret.startswith(PREFIX):
            caller = self._by_digest.get(digest_of(secret))
            if caller is not None:
                return caller
            raise SecurityUnauthenticatedError(
                "This API key is not known here, or was revoked.", code="invalid_api_key", remedy=_REMEDY
            )
        if self._stranger is None:
            raise SecurityUnauthenticatedError(
                "This server wants an API key of its own.", code="invalid_api_key", remedy=_REMEDY
            )
        return self._stranger

    async def look(self) -> None:
        """Read the keys again if any was made or revoked. Answers under way with a revoked key go on to their end.

        Raises:
            SessionStoreUnavailableError: The keys stay as they were.
        """
        version = await self._table.version()
        if version == self._version:
            return
        today = await self._table.spent(self._clock.utcnow().date())
        valid = [key for key in await self._table.all() if key.revoked_at is None]
        self._by_name = {
            key.name: self._by_name.get(key.name) or Caller(key, self.ledger, self._clock, today.get(key.name))
            for key in valid
        }
        self._by_digest = {key.digest: self._by_name[key.name] for key in valid}
        self._version = version

    async def _keep(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self.ledger.full.wait()
            await self.ledger.write()
            for caller in self._by_name.values():
                caller.look_at_the_calendar()
            try:
                await self.look()
            except SessionStoreUnavailableError as error:
                _log.debug("API keys cannot be read now: %s", error)  # the store tells of itself elsewhere


class KeyGuard:
    """Refuses whoever has no good key before anything of a body is read; notes whose request it is."""

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            scope[_CALLER] = self._keys.caller(scope)
        except SecurityUnauthenticatedError as refusal:
            response = problem_response(refusal, scope)
            response.headers["connection"] = "close"
            await response(scope, receive, lingering(receive, send))
        else:
            await self._app(scope, receive, send)


def caller_of(scope: Scope) -> Caller:
    """Whose request it is that a `KeyGuard` let in."""
    return scope[_CALLER]


def _say_if_broken(keeping: asyncio.Task[None]) -> None:
    if not keeping.cancelled() and (error := keeping.exception()) is not None:
        _log.critical("New and revoked API keys are not seen any more; restart the server.", exc_info=error)


def _bearer(scope: Scope) -> str:
    """The token of the Authorization header; empty: there is none."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""
    return ""
