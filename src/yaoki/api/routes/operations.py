"""Routes for those who run the server: alive, ready, metrics."""

import math

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from yaoki.api.services import ServicesIn

router = APIRouter(tags=["operations"])


@router.head("/livez", include_in_schema=False)
@router.get("/livez")
async def livez() -> Response:
    """Whether the process answers at all."""
    return JSONResponse({"status": "ok"})


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz")
async def readyz(services: ServicesIn, verbose: str | None = None) -> Response:
    """Whether new messages can be taken; 503 with the reasons if not. With `?verbose` every check is listed."""
    readiness = await services.orchestrator.readiness()
    ready = readiness.ready and not services.closing.is_set()
    reasons = {name: state for name, state in readiness.checks.items() if state != "ok"}
    if services.closing.is_set():
        reasons["intake"] = "closing"
    body: dict[str, object] = {"ready": ready, "reasons": reasons}
    if verbose is not None:
        body |= {"checks": {**readiness.checks, **reasons}, "notes": readiness.notes}
    headers = {} if ready else {"retry-after": str(math.ceil(services.policy.retry_after_s))}
    return JSONResponse(body, 200 if ready else 503, headers)


@router.get("/metrics")
async def metrics(services: ServicesIn) -> Response:
    """Figures for Prometheus."""
    content, content_type = services.metrics()
    return Response(content, media_type=content_type)
