"""How many clients are served at once; the others are told when to come back.

There are two bounds. Open streams cost memory for as long as they last, so they are counted for the instance and for
each owner. Requests cost work, so they are counted while they are in progress; opening a stream is one. Liveness,
readiness, metrics and pages are never refused, so that operators can look into a crowded server.
"""

import logging
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from random import Random

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yaoki.api.policy import ApiPolicy
from yaoki.api.problems import problem_response
from yaoki.errors import AIOrchestrationError, ResourceOverloadedError
from yaoki.resilience.clock import Clock

_SPREAD = 4.0
_TELL_EVERY_S = 10.0
_log = logging.getLogger(__name__)


class Admission:
    """Counts what is open and under way.

    Attributes:
        streams: How many clients hold an event stream or a link, by channel.
        requests: Requests under way.
        refused: Refusals since the start.
    """

    def __init__(self, policy: ApiPolicy, rng: Random, clock: Clock) -> None:
        self.streams: Counter[str] = Counter()
        self.requests = 0
        self.refused = 0
        self._owners: Counter[str] = Counter()
        self._policy = policy
        self._rng = rng
        self._clock = clock
        self._told_at: float | None = None

    @contextmanager
    def stream(self, channel: str, owner: str) -> Generator[None]:
        """A place for an open stream.

        Raises:
            ResourceOverloadedError: The instance or the owner has no place left.
        """
        if self.streams.total() >= self._policy.max_streams:
            raise self._refusal("This server holds as many open streams as it may.", "limits.max_streams")
        if self._owners[owner] >= self._policy.max_streams_per_owner:
            raise self._refusal("You hold as many open streams as you may.", "limits.max_streams_per_owner")
        self.streams[channel] += 1
        self._owners[owner] += 1
        try:
            yield
        finally:
            self.streams[channel] -= 1
            self._owners[owner] -= 1
            if not self._owners[owner]:
                del self._owners[owner]

    def begin(self) -> None:
        """A place for a request; `end` gives it back.

        Raises:
            ResourceOverloadedError: Too many are under way.
        """
        if self.requests >= self._policy.max_requests:
            raise self._refusal("This server has as many requests under way as it may.", "limits.max_requests")
        self.requests += 1

    def end(self) -> None:
        """Give the place of a request back."""
        self.requests -= 1

    @contextmanager
    def request(self) -> Generator[None]:
        """A place for a request, while the context lasts. Raises `ResourceOverloadedError`."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def _refusal(self, reason: str, setting: str) -> AIOrchestrationError:
        self.refused += 1
        now = self._clock.monotonic()
        if self._told_at is None or now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            _log.warning("%s Clients are sent away for a while; %d so far. Setting: %s.", reason, self.refused, setting)
        wait_s = round(self._policy.retry_after_s * (1 + _SPREAD * self._rng.random()), 1)
        return ResourceOverloadedError(reason, retry_after_s=wait_s, setting=setting)


class RequestAdmission:
    """The middleware that counts requests from their first byte in a route to the first byte of the answer."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith(("/ai/", "/agui")):
            await self._app(scope, receive, send)
            return
        try:
            self._admission.begin()
        except ResourceOverloadedError as refusal:
            await problem_response(refusal, scope)(scope, receive, send)
            return
        counted = True

        def done() -> None:
            nonlocal counted
            if counted:
                counted = False
                self._admission.end()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                done()
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            done()
