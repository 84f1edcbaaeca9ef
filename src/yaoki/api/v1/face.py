"""The base URL: `/v1` in OpenAI's shapes, as plain ASGI, behind the same guards as every route.

It keeps nothing: no session, no history. What it gives to any OpenAI client is the chain.
"""

import asyncio
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from random import Random

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from yaoki.api.access import AccessGuard, SecurityHeaders
from yaoki.api.bodies import BodyGuard
from yaoki.api.openai_errors import PREFIX
from yaoki.api.problems import problem_response
from yaoki.api.services import Services
from yaoki.api.v1.api_keys import ApiKeys, KeyGuard, caller_of
from yaoki.api.v1.callers import Budgets, Caller
from yaoki.api.v1.earlier import EarlierAnswers
from yaoki.api.v1.exchange import Exchange
from yaoki.api.v1.frames import model_card, models_document
from yaoki.api.v1.refusals import callers_refusal
from yaoki.api.v1.request import Asked, asked_of
from yaoki.api.v1.told import Told
from yaoki.api.v1.wishes import Wishes, wishes_of
from yaoki.errors import (
    AIOrchestrationError,
    CommunicationProtocolError,
    ConfigurationUnknownModelError,
    ModelAllFailedError,
    ResourceOverloadedError,
)
from yaoki.llm.answer_cache import AnswerCache
from yaoki.llm.chain.chain import Chain
from yaoki.llm.wire.request import WireRequest

_MODELS = f"{PREFIX}models"
_CHAT = f"{PREFIX}chat/completions"


class OpenAIRoutes:
    """Answers every path under `/v1/`.

    Args:
        services: The application's.
        chains: By the name of the model that stands first in each.
        budget: What one answer may spend.
        answers: Those that were given before.
        rng: Makes the answers' ids.

    Attributes:
        quiet: Set while no answer is under way.
    """

    def __init__(
        self,
        services: Services,
        chains: Mapping[str, Chain],
        budget: Budgets,
        answers: AnswerCache,
        *,
        rng: Random,
    ) -> None:
        self._services = services
        self._chains = chains
        self._budget = budget
        self._answers = answers
        self._rng = rng
        self._created = int(services.clock.utcnow().timestamp())
        self._answering = 0
        self.quiet = asyncio.Event()
        self.quiet.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            caller = caller_of(scope)
            match scope["method"], scope["path"]:
                case "POST", path if path == _CHAT:
                    await self._chat(caller, scope, receive, send)
                case "GET" | "HEAD", path if path.startswith(_MODELS):
                    body = self._listed(path.removeprefix(_MODELS), caller.chains(self._chains))
                    await Response(body, media_type="application/json")(scope, receive, send)
                case method, path:
                    raise CommunicationProtocolError(
                        f"There is no route {method} {path}.",
                        status=405 if path in (_CHAT, _MODELS) else 404,
                        remedy=f"POST {_CHAT} and GET {_MODELS} are served here.",
                    )
        except AIOrchestrationError as error:
            await problem_response(error, scope)(scope, receive, send)

    async def _chat(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        with self._services.admission.request():
            asked = asked_of((await receive()).get("body", b""), caller.chains(self._chains))
        if self._services.orchestrator.draining:
            raise ResourceOverloadedError("The server stops.", retry_after_s=self._services.policy.retry_after_s)
        with self._services.admission.stream("v1", caller.owner), self._counted():
            try:
                with self._exchange(asked, caller, wishes_of(scope["headers"])) as exchange:
                    await exchange.serve(scope, send)
            except ModelAllFailedError as failed:
                raise callers_refusal(failed) or failed from failed.__cause__

    @contextmanager
    def _exchange(self, asked: Asked, caller: Caller, wishes: Wishes) -> Generator[Exchange]:
        """What answers; the caller pays for it in the end."""
        chain, request = self._chains[asked.model], WireRequest(asked.body)
        about = request.about(shorten=wishes.shortened)
        with caller.answering(request, chain, about.prompt_tokens, self._budget) as budget:
            items = chain.stream(request, budget, hold_text=asked.held, about=about)
            earlier = EarlierAnswers(self._answers, caller.owner, chain, asked, wishes)
            yield Exchange(self._services, asked, items, Told(budget), earlier, rng=self._rng)

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

    def _listed(self, rest: str, chains: Mapping[str, Chain]) -> bytes:
        """All models that the caller may use, or the one that the rest of the path names."""
        name = rest.removeprefix("/")
        if not name:
            return models_document(chains, self._created)
        if name not in chains:
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
        keys: Who may ask.
        answers: Those that were given before; None: a cache of its own.
        rng: Makes the answers' ids.
    """

    def __init__(
        self,
        app: FastAPI,
        chains: Mapping[str, Chain],
        budget: Budgets,
        *,
        keys: ApiKeys,
        answers: AnswerCache | None = None,
        rng: Random | None = None,
    ) -> None:
        services: Services = app.state.services
        policy = services.policy
        self._app = app
        rng = rng or Random()  # noqa: S311 - ids, no secrets
        answers = AnswerCache() if answers is None else answers
        self._routes = OpenAIRoutes(services, chains, budget, answers, rng=rng)
        self._guarded = SecurityHeaders(
            AccessGuard(KeyGuard(BodyGuard(self._routes, policy, largest=policy.v1_body_bytes), keys), policy)
        )

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
                await self._routes.quiet.wait()
