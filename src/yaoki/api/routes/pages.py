"""The built pages: a fixed set of files, read once. No path from a request ever meets the file system."""

import hashlib
import mimetypes
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from yaoki.api.headers import PAGE_HEADERS
from yaoki.errors import CommunicationProtocolError

_INDEX = "index.html"
_FOREVER = "public, max-age=31536000, immutable"


def page_router(folder: Path | None) -> APIRouter:
    """Routes for the files of a folder; `/` is its index, or says what to do if there is none."""
    router = APIRouter(include_in_schema=False)
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder and folder.is_dir() else []
    for path in files:
        name = path.relative_to(folder or path).as_posix()
        router.add_api_route("/" if name == _INDEX else f"/{name}", _Page(path, name).serve, methods=["GET", "HEAD"])
    if not any(path.name == _INDEX for path in files):
        router.add_api_route("/", _not_built, methods=["GET", "HEAD"])
    return router


class _Page:
    """One file, in memory."""

    def __init__(self, path: Path, name: str) -> None:
        self._content = path.read_bytes()
        self._type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        tag = f'"{hashlib.sha256(self._content).hexdigest()[:20]}"'
        keep = _FOREVER if name.startswith("assets/") else "no-cache"  # the build puts a hash into the names of assets
        self._headers = {**PAGE_HEADERS, "cache-control": keep, "etag": tag}

    async def serve(self, request: Request) -> Response:
        """The file, or 304 if the client has it."""
        if request.headers.get("if-none-match") == self._headers["etag"]:
            return Response(status_code=304, headers=self._headers)
        return Response(self._content, headers=self._headers, media_type=self._type)


async def _not_built() -> Response:
    raise CommunicationProtocolError(
        "The chat page has not been built into this installation.",
        status=404,
        remedy="Install from a wheel, or build the page with `make run`; the API works without it.",
    )
