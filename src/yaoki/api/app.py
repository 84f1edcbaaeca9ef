"""The HTTP application."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from random import Random

from fastapi import FastAPI

from yaoki.api import messages, operations, problems, sessions, streams
from yaoki.api.guards import AccessGuard, BodyGuard, SecurityHeaders
from yaoki.api.pages import page_router
from yaoki.api.policy import ApiPolicy
from yaoki.api.wiring import Services
from yaoki.orchestrator import Orchestrator


def create_app(
    orchestrator: Orchestrator,
    policy: ApiPolicy,
    *,
    metrics: Callable[[], tuple[bytes, str]],
    page_dir: Path | None,
    rng: Random | None = None,
) -> FastAPI:
    """Build the application. It opens nothing and starts nothing: serving and stopping it is the caller's.

    Args:
        metrics: Gives the exposition for Prometheus and its content type.
        page_dir: Folder of the built pages; None serves the API alone.
        rng: Spreads the return of readers that are sent away.

    Returns:
        The application. `app.state.closing` is an event: set it, and every stream says that the server stops and ends.
        `app.state.streams` counts the clients that hold a stream, by channel.
    """
    services = Services(
        orchestrator=orchestrator,
        policy=policy,
        metrics=metrics,
        rng=rng or Random(),  # noqa: S311 - jitter, not a secret
    )
    app = FastAPI(title="Yaoki", version=version("yaoki"), docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.state.closing = services.closing
    app.state.streams = services.streams
    problems.install(app)
    for module in (sessions, messages, streams, operations):
        app.include_router(module.router)
    app.include_router(page_router(page_dir))
    app.add_middleware(BodyGuard, policy=policy)
    app.add_middleware(AccessGuard, policy=policy)
    app.add_middleware(SecurityHeaders)
    return app
