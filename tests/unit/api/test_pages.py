from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.api.conftest import Serve
from tests.unit.api.served import Served
from yaoki.api import ApiPolicy

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html dompurify"
)


@pytest.fixture
async def paged(serve: Serve, tmp_path: Path) -> AsyncIterator[Served]:
    folder = tmp_path / "web"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Yaoki</title>")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-1a2b.js").write_text("export {}")
    (tmp_path / "secret.txt").write_text("canary")
    async with serve(ApiPolicy(), page_dir=folder) as served:
        yield served


@pytest.mark.requirement("X12")
async def test_the_page_comes_with_its_strict_policy(paged: Served) -> None:
    response = await paged.client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"] == CSP
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_an_unchanged_page_is_not_sent_again(paged: Served) -> None:
    etag = (await paged.client.get("/")).headers["etag"]
    again = await paged.client.get("/", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


async def test_assets_are_kept_for_ever(paged: Served) -> None:
    response = await paged.client.get("/assets/index-1a2b.js")
    assert "javascript" in response.headers["content-type"]
    assert "immutable" in response.headers["cache-control"]
    assert (await paged.client.get("/favicon.svg")).headers["content-type"] == "image/svg+xml"
    assert (await paged.client.head("/")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/assets/../../secret.txt", "/..%2fsecret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/assets/"]
)
async def test_nothing_but_the_built_files_is_served(paged: Served, path: str) -> None:
    response = await paged.client.get(path)
    assert response.status_code == 404
    assert "canary" not in response.text


@pytest.mark.parametrize("folder", [None, Path("/nonexistent")])
async def test_without_a_built_page_the_api_says_how_to_get_one(serve: Serve, folder: Path | None) -> None:
    async with serve(ApiPolicy(), page_dir=folder) as served:
        response = await served.client.get("/")
        assert response.status_code == 404
        assert "build" in response.json()["remedy"]
        assert (await served.client.get("/livez")).status_code == 200
