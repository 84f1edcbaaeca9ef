"""The HTTP application."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from random import Random

from fastapi import FastAPI

from yaoki.api import problems
from yaoki.api.access import AccessGuard, SecurityHeaders
from yaoki.api.admission import Admission, RequestAdmission
from yaoki.api.agui import routes as agui
from yaoki.api.bodies import BodyGuard
from yaoki.api.links import routes as links
from yaoki.api.policy import ApiPolicy
from yaoki.api.routes import events, messages, operations, sessions
from yaoki.api.routes.pages import page_router
from yaoki.api.services import Services
from yaoki.api.tickets import Tickets
from yaoki.orchestrator import Orchestrator
from yaoki.resilience.clock import SYSTEM_CLOCK


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
        The application. `app.state.closing.set()`, and every stream says that the server stops, and ends.
        `app.state.streams` counts the clients that hold a stream, by channel.
    """
    rng = rng or Random()  # noqa: S311 - jitter, not a secret
    admission = Admission(policy, rng, SYSTEM_CLOCK)
    services = Services(
        orchestrator=orchestrator,
        policy=policy,
        metrics=metrics,
        rng=rng,
        admission=admission,
        tickets=Tickets(policy.ticket_s),
    )
    app = FastAPI(title="Yaoki", version=version("yaoki"), docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.state.closing = services.closing
    app.state.streams = admission.streams
    problems.install(app)
    for module in (sessions, messages, events, links, agui, operations):
        app.include_router(module.router)
    app.include_router(page_router(page_dir))
    app.add_middleware(RequestAdmission, admission=admission)
    app.add_middleware(BodyGuard, policy=policy)
    app.add_middleware(AccessGuard, policy=policy)
    app.add_middleware(SecurityHeaders)
    return app
