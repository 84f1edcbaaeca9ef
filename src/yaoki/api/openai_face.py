"""The base URL: `/v1` in OpenAI's shapes, as plain ASGI, behind the same guards as every route.

It keeps nothing: no session, no history. What it gives to any OpenAI client is the chain.
"""

import asyncio
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from random import Random

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from yaoki.api.guards import AccessGuard, BodyGuard, SecurityHeaders
from yaoki.api.openai_errors import PREFIX
from yaoki.api.openai_exchange import Exchange
from yaoki.api.openai_frames import model_card, models_document
from yaoki.api.openai_refusals import callers_refusal
from yaoki.api.openai_request import asked_of
from yaoki.api.problems import problem_response
from yaoki.api.wiring import Services
from yaoki.errors import (
    AIOrchestrationError,
    CommunicationProtocolError,
    ConfigurationUnknownModelError,
    ModelAllFailedError,
    ResourceOverloadedError,
)
from yaoki.llm.budget import TurnBudget
from yaoki.llm.chain import Chain
from yaoki.llm.wire_request import WireRequest

_MODELS = f"{PREFIX}models"
_CHAT = f"{PREFIX}chat/completions"
_OWNER = "local"


class OpenAIFace:
    """Answers every path under `/v1/`.

    Args:
        services: The application's.
        chains: By the name of the model that stands first in each.
        budget: What one answer may spend.
        rng: Makes the answers' ids.

    Attributes:
        quiet: Set while no answer is under way.
    """

    def __init__(
        self, services: Services, chains: Mapping[str, Chain], budget: Callable[[], TurnBudget], rng: Random
    ) -> None:
        self._services = services
        self._chains = chains
        self._budget = budget
        self._rng = rng
        self._created = int(services.clock.utcnow().timestamp())
        self._answering = 0
        self.quiet = asyncio.Event()
        self.quiet.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            match scope["method"], scope["path"]:
                case "POST", path if path == _CHAT:
                    await self._chat(scope, receive, send)
                case "GET" | "HEAD", path if path.startswith(_MODELS):
                    response = Response(self._listed(path.removeprefix(_MODELS)), media_type="application/json")
                    await response(scope, receive, send)
                case method, path:
                    raise CommunicationProtocolError(
                        f"There is no route {method} {path}.",
                        status=405 if path in (_CHAT, _MODELS) else 404,
                        remedy=f"POST {_CHAT} and GET {_MODELS} are served here.",
                    )
        except AIOrchestrationError as error:
            await problem_response(error, scope)(scope, receive, send)

    async def _chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = asked_of((await receive()).get("body", b""), self._chains)
        if self._services.orchestrator.draining:
            raise ResourceOverloadedError("The server stops.", retry_after_s=self._services.policy.retry_after_s)
        with self._services.admission.stream("v1", _OWNER), self._counted():
            items = self._chains[asked.model].stream(WireRequest(asked.body), self._budget(), hold_text=asked.held)
            try:
                await Exchange(self._services, asked, items, self._rng).serve(scope, receive, send)
            except ModelAllFailedError as failed:
                raise callers_refusal(failed) or failed from failed.__cause__

    @contextmanager
    def _counted(self) -> Generator[None]:
        self._answering += 1
        self.quiet.clear()
        try:
            yield
        finally:
            self._answering -= 1
            if not self._answering:
                self.quiet.set()

    def _listed(self, rest: str) -> bytes:
        """All models, or the one that the rest of the path names."""
        name = rest.removeprefix("/")
        if not name:
            return models_document(self._chains, self._created)
        if name not in self._chains:
            raise ConfigurationUnknownModelError(
                f"There is no model {name[:100]!r}.", field="model", remedy=f"GET {_MODELS} lists the names."
            )
        return json.dumps(model_card(name, self._created)).encode()


class OpenAIFront:
    """The application with the base URL in front of it.

    Args:
        app: As `create_app` built it.
        chains: By the name of the model that stands first in each.
        budget: What one answer may spend.
        rng: Makes the answers' ids.
    """

    def __init__(
        self,
        app: FastAPI,
        chains: Mapping[str, Chain],
        budget: Callable[[], TurnBudget],
        *,
        rng: Random | None = None,
    ) -> None:
        services: Services = app.state.services
        policy = services.policy
        self._app = app
        self._face = OpenAIFace(services, chains, budget, rng or Random())  # noqa: S311 - ids, no secrets
        self._guarded = SecurityHeaders(AccessGuard(BodyGuard(self._face, policy), policy))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's next request, whosever it is."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self._guarded(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def quiet(self, timeout_s: float) -> None:
        """Wait until no answer of the base URL is under way, at most `timeout_s` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._face.quiet.wait()
